//! Polling, and the streams that bodies go through.

use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{Result, format_err};
use wasmtime_wasi::p2::bindings::io::{error, poll, streams};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, StreamError, StreamResult};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;

use super::{Tap, unfit};
use crate::plugin::journal::{Answer, Call, Source};

/// `wasi:io`.
pub(in crate::plugin) struct TappedIo<'a> {
    pub(in crate::plugin) table: &'a mut ResourceTable,
    pub(in crate::plugin) tap: &'a mut Tap,
}

impl poll::Host for TappedIo<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        if !self.tap.is_on() || pollables.is_empty() {
            return poll::Host::poll(self.table, pollables).await;
        }
        let count = pollables.len();
        let call = Call::Poll(
            pollables
                .iter()
                .map(|pollable| self.tap.source(pollable))
                .collect(),
        );
        match self.tap.answer(&call)? {
            Some(Answer::Positions(ready)) if ready.iter().all(|at| (*at as usize) < count) => Ok(ready),
            Some(_) => Err(unfit(&call)),
            None => {
                let ready = poll::Host::poll(self.table, pollables).await?;
                self.tap.note(call, Answer::Positions(ready.clone()));
                Ok(ready)
            }
        }
    }
}

impl poll::HostPollable for TappedIo<'_> {
    async fn block(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        if !self.tap.is_on() {
            return poll::HostPollable::block(self.table, pollable).await;
        }
        let call = Call::Block(self.tap.source(&pollable));
        match self.tap.answer(&call)? {
            Some(Answer::Done) => Ok(()),
            Some(_) => Err(unfit(&call)),
            None => {
                poll::HostPollable::block(self.table, pollable).await?;
                self.tap.note(call, Answer::Done);
                Ok(())
            }
        }
    }

    async fn ready(&mut self, pollable: Resource<DynPollable>) -> Result<bool> {
        if !self.tap.is_on() {
            return poll::HostPollable::ready(self.table, pollable).await;
        }
        let call = Call::Ready(self.tap.source(&pollable));
        match self.tap.answer(&call)? {
            Some(Answer::Flag(ready)) => Ok(ready),
            Some(_) => Err(unfit(&call)),
            None => {
                let ready = poll::HostPollable::ready(self.table, pollable).await?;
                self.tap.note(call, Answer::Flag(ready));
                Ok(ready)
            }
        }
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        self.tap.sources.remove(&pollable.rep());
        poll::HostPollable::drop(self.table, pollable)
    }
}

impl error::Host for TappedIo<'_> {}

impl error::HostError for TappedIo<'_> {
    fn drop(&mut self, error: Resource<streams::Error>) -> Result<()> {
        error::HostError::drop(self.table, error)
    }

    fn to_debug_string(&mut self, error: Resource<streams::Error>) -> Result<String> {
        let table = &mut *self.table;
        self.tap.value(
            Call::ErrorText,
            || error::HostError::to_debug_string(table, error),
            Answer::Text,
            |answer| match answer {
                Answer::Text(text) => Some(text),
                _ => None,
            },
        )
    }
}

impl streams::Host for TappedIo<'_> {
    fn convert_stream_error(&mut self, error: StreamError) -> Result<streams::StreamError> {
        streams::Host::convert_stream_error(self.table, error)
    }
}

/// Bodies of answers: whole when the component learns of the answer, so that what is read follows from what is asked.
impl streams::HostInputStream for TappedIo<'_> {
    async fn drop(&mut self, stream: Resource<DynInputStream>) -> Result<()> {
        streams::HostInputStream::drop(self.table, stream).await
    }

    fn read(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<Vec<u8>> {
        streams::HostInputStream::read(self.table, stream, len)
    }

    async fn blocking_read(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<Vec<u8>> {
        streams::HostInputStream::blocking_read(self.table, stream, len).await
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        streams::HostInputStream::skip(self.table, stream, len)
    }

    async fn blocking_skip(&mut self, stream: Resource<DynInputStream>, len: u64) -> StreamResult<u64> {
        streams::HostInputStream::blocking_skip(self.table, stream, len).await
    }

    fn subscribe(&mut self, stream: Resource<DynInputStream>) -> Result<Resource<DynPollable>> {
        let pollable = streams::HostInputStream::subscribe(self.table, stream)?;
        self.tap.waits_for(&pollable, Source::Body);
        Ok(pollable)
    }
}

/// How a stream's answer is noted. A trap ends the run; nothing comes after it.
fn noted(result: &StreamResult<Option<u64>>) -> Option<Answer> {
    match result {
        Ok(None) => Some(Answer::Done),
        Ok(Some(number)) => Some(Answer::Number(*number)),
        Err(StreamError::Closed) => Some(Answer::Closed),
        Err(StreamError::LastOperationFailed(error)) => {
            let size = match error.downcast_ref::<ErrorCode>() {
                Some(ErrorCode::HttpRequestBodySize(size)) => *size,
                _ => None,
            };
            Some(Answer::StreamFailed(error.to_string(), size))
        }
        Err(StreamError::Trap(_)) => None,
    }
}

fn replayed(call: &Call, answer: Answer) -> StreamResult<Option<u64>> {
    match answer {
        Answer::Done => Ok(None),
        Answer::Number(number) => Ok(Some(number)),
        Answer::Closed => Err(StreamError::Closed),
        Answer::StreamFailed(_, Some(size)) => Err(StreamError::LastOperationFailed(
            ErrorCode::HttpRequestBodySize(Some(size)).into(),
        )),
        Answer::StreamFailed(text, None) => Err(StreamError::LastOperationFailed(format_err!("{text}"))),
        _ => Err(StreamError::Trap(unfit(call))),
    }
}

impl TappedIo<'_> {
    /// An answer of the journal to what is done with an output stream.
    fn output(&self, call: &Call) -> Option<StreamResult<Option<u64>>> {
        match self.tap.answer(call) {
            Ok(None) => None,
            Ok(Some(answer)) => Some(replayed(call, answer)),
            Err(left) => Some(Err(StreamError::Trap(left))),
        }
    }

    fn noted(&self, call: Call, result: StreamResult<Option<u64>>) -> StreamResult<Option<u64>> {
        if let Some(answer) = noted(&result) {
            self.tap.note(call, answer);
        }
        result
    }

    /// Waits until a stream takes something; says how much.
    async fn write_ready(&mut self, stream: &Resource<DynOutputStream>) -> StreamResult<u64> {
        if let Some(answer) = self.output(&Call::CheckWrite) {
            return Ok(answer?.unwrap_or_default());
        }
        let ready = self.table.get_mut(stream)?.write_ready().await;
        let result = ready.map(|ready| Some(ready as u64));
        Ok(self.noted(Call::CheckWrite, result)?.unwrap_or_default())
    }

    /// Writes and waits until everything is on its way.
    async fn write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        if !self.tap.is_on() || bytes.len() > 4096 {
            return streams::HostOutputStream::blocking_write_and_flush(self.table, stream, bytes).await;
        }
        let call = Call::Write(bytes.len() as u64);
        self.tap.written(stream.rep(), &bytes);
        if let Some(answer) = self.output(&call) {
            return answer.map(drop);
        }
        let result = streams::HostOutputStream::blocking_write_and_flush(self.table, stream, bytes).await;
        self.noted(call, result.map(|()| None)).map(drop)
    }
}

impl streams::HostOutputStream for TappedIo<'_> {
    async fn drop(&mut self, stream: Resource<DynOutputStream>) -> Result<()> {
        self.tap.streams.remove(&stream.rep());
        streams::HostOutputStream::drop(self.table, stream).await
    }

    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        if let Some(answer) = self.output(&Call::CheckWrite) {
            return Ok(answer?.unwrap_or_default());
        }
        let result = streams::HostOutputStream::check_write(self.table, stream).map(Some);
        Ok(self.noted(Call::CheckWrite, result)?.unwrap_or_default())
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        if !self.tap.is_on() {
            return streams::HostOutputStream::write(self.table, stream, bytes);
        }
        let call = Call::Write(bytes.len() as u64);
        self.tap.written(stream.rep(), &bytes);
        if let Some(answer) = self.output(&call) {
            return answer.map(drop);
        }
        let result = streams::HostOutputStream::write(self.table, stream, bytes);
        self.noted(call, result.map(|()| None)).map(drop)
    }

    fn subscribe(&mut self, stream: Resource<DynOutputStream>) -> Result<Resource<DynPollable>> {
        let pollable = streams::HostOutputStream::subscribe(self.table, stream)?;
        self.tap.waits_for(&pollable, Source::Body);
        Ok(pollable)
    }

    async fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        self.write_and_flush(stream, bytes).await
    }

    async fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        len: u64,
    ) -> StreamResult<()> {
        if len > 4096 {
            return streams::HostOutputStream::blocking_write_zeroes_and_flush(self.table, stream, len).await;
        }
        let zeroes = vec![0; usize::try_from(len).unwrap_or_default()];
        self.write_and_flush(stream, zeroes).await
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, len: u64) -> StreamResult<()> {
        if !self.tap.is_on() {
            return streams::HostOutputStream::write_zeroes(self.table, stream, len);
        }
        // No more than a body may have: the rest is refused, and must not be made first.
        let zeroes = usize::try_from(len).unwrap_or(usize::MAX).min(super::KEPT);
        streams::HostOutputStream::write(self, stream, vec![0; zeroes])
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        if let Some(answer) = self.output(&Call::Flush) {
            return answer.map(drop);
        }
        let result = streams::HostOutputStream::flush(self.table, stream);
        self.noted(Call::Flush, result.map(|()| None)).map(drop)
    }

    async fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        if let Some(answer) = self.output(&Call::Flush) {
            return answer.map(drop);
        }
        let result = streams::HostOutputStream::blocking_flush(self.table, stream).await;
        self.noted(Call::Flush, result.map(|()| None)).map(drop)
    }

    fn splice(
        &mut self,
        stream: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        if !self.tap.is_on() {
            return streams::HostOutputStream::splice(self.table, stream, from, len);
        }
        let allowed =
            streams::HostOutputStream::check_write(self, Resource::new_borrow(stream.rep()))?.min(len);
        if allowed == 0 {
            return Ok(0);
        }
        let bytes = streams::HostInputStream::read(self, from, allowed)?;
        let read = bytes.len() as u64;
        if read > 0 {
            streams::HostOutputStream::write(self, stream, bytes)?;
        }
        Ok(read)
    }

    async fn blocking_splice(
        &mut self,
        stream: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        if !self.tap.is_on() {
            return streams::HostOutputStream::blocking_splice(self.table, stream, from, len).await;
        }
        let allowed = self.write_ready(&stream).await?.min(len);
        if allowed == 0 {
            return Ok(0);
        }
        let bytes = streams::HostInputStream::blocking_read(self, from, allowed).await?;
        let read = bytes.len() as u64;
        if read > 0 {
            let again = Resource::new_borrow(stream.rep());
            streams::HostOutputStream::write(self, stream, bytes)?;
            streams::HostOutputStream::blocking_flush(self, again).await?;
        }
        Ok(read)
    }
}
