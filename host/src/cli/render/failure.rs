//! A failure as one block: what happened, to what, what to do; then the vendor's own words.

use groupcast_guest::failure::VendorAnswer;

use super::text::{BAD, FAINT, STRONG, lines, paint, shown};
use crate::cli::exit::Exit;
use crate::cli::problem::Problem;

/// The block.
pub fn failure(problem: &Problem) -> String {
    let word = if problem.exit == Exit::Refused {
        "Refused"
    } else {
        "Failed"
    };
    let mut text = paint(BAD.bold(), word);
    if !problem.place.is_empty() {
        text.push_str(&format!(" {}", paint(STRONG, shown(&problem.place))));
    }
    text.push('\n');
    text.push_str(&lines(&problem.message, "  "));
    if let Some(answer) = &problem.vendor {
        text.push_str(&format!("  {}\n", paint(FAINT, vendor(answer))));
    }
    text
}

/// What a vendor answered, in one line.
pub fn vendor(answer: &VendorAnswer) -> String {
    let mut text = format!("The vendor answered {}", answer.status);
    if !answer.reason.is_empty() {
        text.push_str(&format!(" {}", shown(&answer.reason)));
    }
    if let Some(request) = &answer.request_id {
        text.push_str(&format!(" (request {})", shown(request)));
    }
    text
}
