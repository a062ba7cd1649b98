//! A source, a target and a ledger in memory, with a fuse that cuts a run off after any call, as a crash would.

mod host;
mod source;
mod target;

pub use host::Host;
pub use source::Source;
pub use target::{Guarded, Target, principal};

use crate::complete::{Collector, Complete, Next, Page};
use crate::plan::model::Reading;

pub fn whole<T: Clone + 'static>(value: T) -> Complete<T> {
    let mut collector = Collector::new("a fake", |_: &String| "one".to_owned());
    collector
        .feed(Page::new(vec!["one".to_owned()], Next::End))
        .unwrap();
    collector.finish().unwrap().map(|_| value)
}

fn reading<T: Clone + 'static>(value: T, partial: bool) -> Reading<T> {
    if partial {
        Reading::Partial {
            seen: value,
            reason: "the fake was told to fall short".to_owned(),
        }
    } else {
        Reading::Complete(whole(value))
    }
}
