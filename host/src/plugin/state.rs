//! The data of one run's store, and the linker: interface by interface, never all of WASI.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::bindings::groupcast::sync;
use super::http::GateHooks;
use super::limits::{Meter, RunLimits};
use super::services::RunServices;

/// What a run's store holds. Dropped with the run: nothing of it reaches the next.
pub(crate) struct RunState {
    pub(super) services: Arc<dyn RunServices>,
    pub(super) limits: RunLimits,
    pub(super) meter: Meter,
    pub(super) plan_bytes: u64,
    pub(super) log_bytes: u64,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: GateHooks,
}

impl RunState {
    pub(super) fn new(services: Arc<dyn RunServices>, limits: RunLimits) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(64 << 10);
        Self {
            hooks: GateHooks::new(Arc::clone(&services)),
            services,
            meter: Meter::new(limits.clone()),
            limits,
            plan_bytes: 0,
            log_bytes: 0,
            table,
            // No environment, no arguments, no files, no sockets: the builder's own default.
            wasi: WasiCtx::builder().build(),
            http,
        }
    }
}

impl WasiView for RunState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for RunState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.hooks,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// Links what world `sync` imports, and nothing else.
pub(super) fn add_to_linker(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
    use wasmtime_wasi::p2::bindings::{clocks, io};

    io::error::add_to_linker::<RunState, HasTable>(linker, |state| &mut state.table)?;
    io::poll::add_to_linker::<RunState, HasTable>(linker, |state| &mut state.table)?;
    io::streams::add_to_linker::<RunState, HasTable>(linker, |state| &mut state.table)?;
    clocks::monotonic_clock::add_to_linker::<RunState, WasiClocks>(linker, RunState::clocks)?;
    clocks::wall_clock::add_to_linker::<RunState, WasiClocks>(linker, RunState::clocks)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;

    sync::types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    sync::plan_sink::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    sync::plan_source::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    sync::ledger::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    sync::state::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    sync::progress::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    Ok(())
}

struct HasTable;

impl wasmtime::component::HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}
