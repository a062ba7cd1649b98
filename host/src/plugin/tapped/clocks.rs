//! Clocks and timers.

use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::clocks::WasiClocksCtxView;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};

use super::{Tap, unfit};
use crate::plugin::journal::{Answer, Call, Source};

/// `wasi:clocks`.
pub(in crate::plugin) struct TappedClocks<'a> {
    pub(in crate::plugin) clocks: WasiClocksCtxView<'a>,
    pub(in crate::plugin) tap: &'a mut Tap,
}

fn number(answer: Answer) -> Option<u64> {
    match answer {
        Answer::Number(number) => Some(number),
        _ => None,
    }
}

fn date(answer: Answer) -> Option<wall_clock::Datetime> {
    match answer {
        Answer::Date(seconds, nanoseconds) => Some(wall_clock::Datetime { seconds, nanoseconds }),
        _ => None,
    }
}

fn of_date(date: wall_clock::Datetime) -> Answer {
    Answer::Date(date.seconds, date.nanoseconds)
}

impl TappedClocks<'_> {
    /// A timer, which a replay never waits for.
    fn timer(
        &mut self,
        call: impl FnOnce(u32) -> Call,
        real: impl FnOnce(&mut WasiClocksCtxView<'_>) -> Result<Resource<DynPollable>>,
    ) -> Result<Resource<DynPollable>> {
        if !self.tap.is_on() {
            return real(&mut self.clocks);
        }
        self.tap.timers = self.tap.timers.saturating_add(1);
        let timer = self.tap.timers;
        let call = call(timer);
        let answer = self.tap.answer(&call)?;
        let pollable = real(&mut self.clocks)?;
        self.tap.waits_for(&pollable, Source::Timer(timer));
        match answer {
            Some(Answer::Done) => {}
            Some(_) => return Err(unfit(&call)),
            None => self.tap.note(call, Answer::Done),
        }
        Ok(pollable)
    }
}

impl monotonic_clock::Host for TappedClocks<'_> {
    fn now(&mut self) -> Result<u64> {
        let clocks = &mut self.clocks;
        self.tap.value(
            Call::MonotonicNow,
            || monotonic_clock::Host::now(clocks),
            Answer::Number,
            number,
        )
    }

    fn resolution(&mut self) -> Result<u64> {
        let clocks = &mut self.clocks;
        self.tap.value(
            Call::MonotonicResolution,
            || monotonic_clock::Host::resolution(clocks),
            Answer::Number,
            number,
        )
    }

    fn subscribe_instant(&mut self, when: u64) -> Result<Resource<DynPollable>> {
        self.timer(
            |timer| Call::SleepUntil(timer, when),
            |clocks| clocks.subscribe_instant(when),
        )
    }

    fn subscribe_duration(&mut self, duration: u64) -> Result<Resource<DynPollable>> {
        self.timer(
            |timer| Call::SleepFor(timer, duration),
            |clocks| clocks.subscribe_duration(duration),
        )
    }
}

impl wall_clock::Host for TappedClocks<'_> {
    fn now(&mut self) -> Result<wall_clock::Datetime> {
        let clocks = &mut self.clocks;
        self.tap
            .value(Call::WallNow, || wall_clock::Host::now(clocks), of_date, date)
    }

    fn resolution(&mut self) -> Result<wall_clock::Datetime> {
        let clocks = &mut self.clocks;
        self.tap.value(
            Call::WallResolution,
            || wall_clock::Host::resolution(clocks),
            of_date,
            date,
        )
    }
}
