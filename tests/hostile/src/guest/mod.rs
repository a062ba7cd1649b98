//! The component's shell: reads its order and does the misdeed in the export that the order names.

#![allow(
    unsafe_code,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it means harm"
)]

mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "sync",
        generate_all,
        pub_export_macro: false,
    });
    use super::Hostile;
    export!(Hostile);
}

mod boundary;
mod computing;
mod floods;
mod network;
mod sync;

use bindings::exports::groupcast::sync::directory_sync as wit;

use crate::{MARK, ORDER_BYTES, SEPARATOR};

/// The place of the order. Never read but volatile: what stands here when it is compiled is not what stands here later.
#[repr(C)]
struct Place {
    mark: [u8; 16],
    order: [u8; ORDER_BYTES],
}

static PLACE: Place = Place {
    mark: *MARK,
    order: [b'.'; ORDER_BYTES],
};

/// What to do, and with what.
pub struct Order {
    misdeed: String,
    arguments: Vec<String>,
}

impl Order {
    fn read(settings: &str) -> Self {
        let place = unsafe { std::ptr::read_volatile(&PLACE) };
        // Nothing but dots: nobody wrote an order, and the settings hold it.
        let text = if place.order.iter().all(|byte| *byte == b'.') {
            settings.to_owned()
        } else {
            let whole: Vec<u8> = place.order.into_iter().take_while(|byte| *byte != 0).collect();
            String::from_utf8(whole).unwrap()
        };
        let mut lines = text.split(SEPARATOR).map(str::to_owned);
        Self {
            misdeed: lines.next().unwrap_or_default(),
            arguments: lines.collect(),
        }
    }

    /// An argument.
    pub fn argument(&self, number: usize) -> &str {
        &self.arguments[number]
    }

    /// All of them.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }
}

/// What a misdeed came to, where it came to an end.
pub type Deed = Result<(), wit::Error>;

fn act(order: &Order, export: &str, run: Option<&wit::Run>) -> Deed {
    let misdeed = order.misdeed.as_str();
    if misdeed == "trap-everywhere" {
        std::arch::wasm32::unreachable();
    }
    // A misdeed is done while planning, unless its name says where else.
    let (place, misdeed) = misdeed.split_once('/').unwrap_or(("plan", misdeed));
    if place != export {
        return Ok(());
    }
    let run = run.unwrap();
    computing::act(misdeed)
        .or_else(|| boundary::act(misdeed))
        .or_else(|| floods::act(misdeed, order))
        .or_else(|| network::act(misdeed, order))
        .or_else(|| sync::act(misdeed, order, run))
        .unwrap_or_else(|| panic!("no such misdeed"))
}

struct Hostile;

impl wit::Guest for Hostile {
    fn describe() -> wit::Manifest {
        let order = Order::read("");
        if order.misdeed == "trap-everywhere" {
            std::arch::wasm32::unreachable();
        }
        if order.misdeed == "describe/infinite-loop" {
            computing::act("infinite-loop");
        }
        wit::Manifest {
            name: "hostile".to_owned(),
            version: "0.1.0".to_owned(),
            vendors: vec!["google".to_owned(), "entra".to_owned()],
            credentials: Vec::new(),
            egress: network::rules(),
            settings_schema: "{}".to_owned(),
        }
    }

    fn check(run: wit::Run) -> Result<Vec<wit::Finding>, wit::Error> {
        act(&Order::read(&run.settings), "check", Some(&run)).map(|()| Vec::new())
    }

    fn plan(run: wit::Run) -> Result<wit::PlanSummary, wit::Error> {
        act(&Order::read(&run.settings), "plan", Some(&run)).map(|()| wit::PlanSummary {
            groups: 0,
            operations: 0,
            adds: 0,
            removals: 0,
            held: 0,
            at_rest: 0,
            verified_at: None,
        })
    }

    fn apply(run: wit::Run) -> Result<wit::Report, wit::Error> {
        let order = Order::read(&run.settings);
        let applied = if order.misdeed == "apply/false-report" {
            1_000
        } else {
            0
        };
        act(&order, "apply", Some(&run)).map(|()| wit::Report {
            applied,
            failed: 0,
            moved: Vec::new(),
        })
    }

    fn explain(run: wit::Run, _: wit::Question) -> Result<wit::Explanation, wit::Error> {
        act(&Order::read(&run.settings), "explain", Some(&run)).map(|()| wit::Explanation {
            conclusion: String::new(),
            steps: Vec::new(),
        })
    }
}
