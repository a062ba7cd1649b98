//! The data of one run's store, and the linker: interface by interface, never all of WASI.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::clocks::{WasiClocksCtx, WasiClocksCtxView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

use super::bindings::groupcast::sync;
use super::computing::Watch;
use super::http::GateHooks;
use super::limits::{Meter, RunLimits};
use super::services::RunServices;
use super::tapped::{Tap, TappedClocks, TappedHttp, TappedIo};
use super::violation::{Flood, Violation};

/// What a run's store holds. Dropped with the run: nothing of it reaches the next.
pub(crate) struct RunState {
    pub(super) services: Arc<dyn RunServices>,
    pub(super) limits: RunLimits,
    pub(super) meter: Meter,
    pub(super) watch: Arc<Watch>,
    pub(super) plan_bytes: u64,
    pub(super) log_bytes: u64,
    pub(super) ledger_entries: u64,
    pub(super) state_bytes: u64,
    floods: Vec<Flood>,
    table: ResourceTable,
    clocks: WasiClocksCtx,
    http: WasiHttpCtx,
    hooks: GateHooks,
    tap: Tap,
}

impl RunState {
    pub(super) fn new(services: Arc<dyn RunServices>, limits: RunLimits, watch: Arc<Watch>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(64 << 10);
        let tap = Tap::new(services.journal());
        Self {
            hooks: GateHooks::new(Arc::clone(&services), tap.post(), Arc::clone(&watch), &limits),
            services,
            meter: Meter::new(limits.clone()),
            limits,
            watch,
            plan_bytes: 0,
            log_bytes: 0,
            ledger_entries: 0,
            state_bytes: 0,
            floods: Vec::new(),
            table,
            clocks: WasiClocksCtx::default(),
            http,
            tap,
        }
    }

    /// Whether it handed over more of something than a run may.
    pub(super) fn has_flooded(&self) -> bool {
        !self.floods.is_empty()
    }

    /// A flood whose surplus is refused or dropped, and that ends nothing: told of once.
    pub(super) fn flooded(&mut self, of: Flood) {
        if !self.floods.contains(&of) {
            self.floods.push(of);
            self.services.violated(&Violation::Flooded { of });
        }
    }

    fn tapped_io(&mut self) -> TappedIo<'_> {
        TappedIo {
            table: &mut self.table,
            tap: &mut self.tap,
        }
    }

    fn tapped_clocks(&mut self) -> TappedClocks<'_> {
        TappedClocks {
            clocks: WasiClocksCtxView {
                ctx: &mut self.clocks,
                table: &mut self.table,
            },
            tap: &mut self.tap,
        }
    }

    fn tapped_http(&mut self) -> TappedHttp<'_> {
        TappedHttp {
            http: WasiHttpCtxView {
                hooks: &mut self.hooks,
                table: &mut self.table,
                ctx: &mut self.http,
            },
            tap: &mut self.tap,
        }
    }
}

/// Links what world `sync` imports, and nothing else.
pub(super) fn add_to_linker(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    use wasmtime_wasi::p2::bindings::{clocks, io};
    use wasmtime_wasi_http::p2::bindings::{LinkOptions, http};

    io::error::add_to_linker::<RunState, Io>(linker, RunState::tapped_io)?;
    io::poll::add_to_linker::<RunState, Io>(linker, RunState::tapped_io)?;
    io::streams::add_to_linker::<RunState, Io>(linker, RunState::tapped_io)?;
    clocks::monotonic_clock::add_to_linker::<RunState, Clocks>(linker, RunState::tapped_clocks)?;
    clocks::wall_clock::add_to_linker::<RunState, Clocks>(linker, RunState::tapped_clocks)?;
    let options = LinkOptions::default();
    http::outgoing_handler::add_to_linker::<RunState, Http>(linker, RunState::tapped_http)?;
    http::types::add_to_linker::<RunState, Http>(linker, &(&options).into(), RunState::tapped_http)?;

    sync::types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    sync::plan_sink::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    sync::plan_source::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    sync::ledger::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    sync::state::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    sync::progress::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    Ok(())
}

struct Io;
struct Clocks;
struct Http;

impl wasmtime::component::HasData for Io {
    type Data<'a> = TappedIo<'a>;
}

impl wasmtime::component::HasData for Clocks {
    type Data<'a> = TappedClocks<'a>;
}

impl wasmtime::component::HasData for Http {
    type Data<'a> = TappedHttp<'a>;
}
