//! The kinds of faults, as rules name them. What becomes of a request that is struck is the parent's.

use serde::{Deserialize, Serialize};

use super::edit::Edit;

/// What happens to a request that is struck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Answer this instead; the request has no effect.
    Answer {
        /// HTTP status.
        status: u16,
        /// Headers beside content-type.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body, sent as it is.
        #[serde(default)]
        body: String,
        /// Its content type.
        #[serde(default = "json_type")]
        content_type: String,
    },
    /// The request takes effect, but this is answered instead.
    AnswerAfter {
        /// HTTP status.
        status: u16,
        /// The body, sent as it is.
        #[serde(default)]
        body: String,
    },
    /// Answer these bytes instead, which need not be text: gzip cut short, or a bomb of it. No effect.
    AnswerBytes {
        /// HTTP status.
        status: u16,
        /// Headers beside content-type, such as `content-encoding`.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body in base64.
        base64: String,
        /// Its content type.
        #[serde(default = "json_type")]
        content_type: String,
    },
    /// The connection breaks; the request has no effect.
    ResetBefore,
    /// The request takes effect, then the connection breaks before an answer.
    ResetAfter,
    /// The answer's body stops after this many bytes although more were announced.
    Truncate {
        /// Bytes that still arrive.
        after: usize,
    },
    /// The answer arrives whole, this many milliseconds late.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// The request takes effect, and is answered, only so many milliseconds later, whether or not the
    /// client still waits. Within a batch, where parts cannot part ways, it is a delay.
    LateEffect {
        /// Milliseconds.
        ms: u64,
    },
    /// A list answers with this many items missing from its end, as though they did not exist, and
    /// says that it is complete. Vendors carry this out where the request is a list, else ignore it.
    DropItems {
        /// How many are left out.
        count: usize,
    },
    /// A list's next-page mark leads back to the same page. Carried out by lists.
    LoopPage,
    /// A list's page is cut short although more pages follow. Carried out by lists.
    ShortPage {
        /// Items on that page.
        items: usize,
    },
    /// A later page begins with the last items of the page before it, as where something was put in
    /// before them meanwhile. A batch answers its last parts twice.
    RepeatItems {
        /// How many come again.
        count: usize,
    },
    /// A later page begins so many items too late, as where something before them went meanwhile; the
    /// list says that it is complete.
    SkipItems {
        /// How many are on no page.
        count: usize,
    },
    /// The request takes effect and is answered, with this status instead of its own.
    Status {
        /// HTTP status.
        status: u16,
    },
    /// The answer comes, and its JSON is not as it was. Only where the answer is a success.
    Edit {
        /// In which way.
        how: Edit,
    },
    /// Refused until a time given as an HTTP date, which goes by the vendor's own clock.
    RefusedUntil {
        /// HTTP status.
        status: u16,
        /// How far off that time is, in milliseconds.
        wait_ms: u64,
        /// How far the vendor's clock is ahead; behind where negative.
        skew_ms: i64,
    },
    /// The vendor's tokens are all revoked before the request is looked at: 401 until a new one is fetched.
    RevokeTokens,
    /// Google: whoever is to become a member is found to be invited already: the membership is pending
    /// and shows nowhere, and the answer is 409 `duplicate`.
    Invited,
    /// Google: the parts of a batch are answered in another order.
    ShuffleParts,
    /// Google: the `Content-ID` headers of a batch's answers are folded onto a second line.
    FoldParts,
}

impl Fault {
    /// Whether the vendor carries it out itself.
    pub(super) fn is_vendors(&self) -> bool {
        matches!(
            self,
            Self::DropItems { .. }
                | Self::LoopPage
                | Self::ShortPage { .. }
                | Self::RepeatItems { .. }
                | Self::SkipItems { .. }
                | Self::RevokeTokens
                | Self::Invited
                | Self::ShuffleParts
                | Self::FoldParts
        )
    }

    /// What a fault is where it strikes a part of a batch.
    pub(crate) fn of_part(self) -> Self {
        match self {
            Self::LateEffect { ms } => Self::Delay { ms },
            other => other,
        }
    }
}

fn json_type() -> String {
    "application/json".to_owned()
}
