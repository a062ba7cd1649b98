//! Requests and answers. What only builds or looks at them is wasmtime's own; what sends, waits and writes is tapped.

use std::sync::PoisonError;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynOutputStream, DynPollable};
use wasmtime_wasi::runtime::poll_noop;
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};
use wasmtime_wasi_http::p2::body::{HostFutureTrailers, HostOutgoingBody};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::p2::{HttpError, HttpResult};
use wasmtime_wasi_http::{FieldMap, RequestOptions, WasiHttpCtxView};

use super::{Tap, unfit};
use crate::plugin::http::error_code;
use crate::plugin::journal::{Answer, Blob, Call, Reply, Request, Source};
use crate::plugin::services::NoAnswer;

/// `wasi:http`.
pub(in crate::plugin) struct TappedHttp<'a> {
    pub(in crate::plugin) http: WasiHttpCtxView<'a>,
    pub(in crate::plugin) tap: &'a mut Tap,
}

impl types::HostOutgoingBody for TappedHttp<'_> {
    fn write(&mut self, body: Resource<HostOutgoingBody>) -> Result<Result<Resource<DynOutputStream>, ()>> {
        let place = body.rep();
        let stream = types::HostOutgoingBody::write(&mut self.http, body)?;
        if let (true, Ok(stream)) = (self.tap.is_on(), &stream) {
            self.tap.streams.insert(stream.rep(), place);
        }
        Ok(stream)
    }

    fn finish(
        &mut self,
        body: Resource<HostOutgoingBody>,
        trailers: Option<Resource<FieldMap>>,
    ) -> HttpResult<()> {
        let Some(written) = self.tap.bodies.remove(&body.rep()) else {
            return types::HostOutgoingBody::finish(&mut self.http, body, trailers);
        };
        let bytes = Blob::from(written.bytes);
        let call = Call::Body(written.request, bytes.clone());
        let place = body.rep();
        let result = match self.tap.answer(&call).map_err(HttpError::trap)? {
            Some(answer) => {
                // Nobody reads what was written; the body only goes.
                types::HostOutgoingBody::drop(&mut self.http, body).map_err(HttpError::trap)?;
                if let Some(trailers) = trailers {
                    types::HostFields::drop(&mut self.http, trailers).map_err(HttpError::trap)?;
                }
                match answer {
                    Answer::Done => Ok(()),
                    Answer::Number(size) => Err(types::ErrorCode::HttpRequestBodySize(Some(size)).into()),
                    _ => Err(HttpError::trap(unfit(&call))),
                }
            }
            None => {
                let result = types::HostOutgoingBody::finish(&mut self.http, body, trailers);
                let answer = match &result {
                    Ok(()) => Some(Answer::Done),
                    Err(error) => match error.downcast_ref() {
                        Some(types::ErrorCode::HttpRequestBodySize(size)) => {
                            Some(Answer::Number(size.unwrap_or_default()))
                        }
                        _ => None,
                    },
                };
                if let Some(answer) = answer {
                    self.tap.note(call, answer);
                }
                result
            }
        };
        if written.request.is_none() && result.is_ok() {
            let of = self.tap.request_bodies.iter().find(|(_, body)| **body == place);
            if let Some(request) = of.map(|(request, _)| *request) {
                self.tap.request_bodies.remove(&request);
                self.tap.whole.insert(request, bytes);
            }
        }
        result
    }

    fn drop(&mut self, body: Resource<HostOutgoingBody>) -> Result<()> {
        if let Some(written) = self.tap.bodies.remove(&body.rep()) {
            let call = Call::BodyDropped(written.request);
            if self.tap.answer(&call)?.is_none() {
                self.tap.note(call, Answer::Done);
            }
        }
        types::HostOutgoingBody::drop(&mut self.http, body)
    }
}

/// An answer from the journal, as if it had just come.
fn arrived(reply: Reply) -> Result<HostFutureIncomingResponse> {
    let ready = match reply {
        Reply::None(no_answer) => Err(error_code(no_answer)),
        Reply::Response {
            status,
            headers,
            body,
        } => {
            let mut response = http::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value.0.as_ref());
            }
            let body = Full::new(body.0).map_err(|never| match never {}).boxed_unsync();
            Ok((response.body(body)?, wasmtime_wasi::runtime::spawn(async {})))
        }
    };
    Ok(HostFutureIncomingResponse::Ready(ready))
}

impl types::HostFutureIncomingResponse for TappedHttp<'_> {
    fn get(
        &mut self,
        future: Resource<HostFutureIncomingResponse>,
    ) -> Result<Option<Result<Result<Resource<HostIncomingResponse>, types::ErrorCode>, ()>>> {
        let Some(number) = self.tap.answers.get(&future.rep()).copied() else {
            return types::HostFutureIncomingResponse::get(&mut self.http, future);
        };
        let call = Call::Answer(number);
        match self.tap.answer(&call)? {
            Some(Answer::Pending) => Ok(None),
            Some(Answer::Taken) => Ok(Some(Err(()))),
            Some(Answer::Reply(reply)) => {
                *self.http.table.get_mut(&future)? = arrived(reply)?;
                types::HostFutureIncomingResponse::get(&mut self.http, future)
            }
            Some(_) => Err(unfit(&call)),
            None => {
                let got = types::HostFutureIncomingResponse::get(&mut self.http, future)?;
                let answer = match &got {
                    None => Answer::Pending,
                    Some(Err(())) => Answer::Taken,
                    Some(Ok(_)) => Answer::Reply(self.reply(number)),
                };
                self.tap.note(call, answer);
                Ok(got)
            }
        }
    }

    fn subscribe(&mut self, future: Resource<HostFutureIncomingResponse>) -> Result<Resource<DynPollable>> {
        let number = self.tap.answers.get(&future.rep()).copied();
        let pollable = types::HostFutureIncomingResponse::subscribe(&mut self.http, future)?;
        self.tap
            .waits_for(&pollable, number.map_or(Source::Body, Source::Request));
        Ok(pollable)
    }

    fn drop(&mut self, future: Resource<HostFutureIncomingResponse>) -> Result<()> {
        self.tap.answers.remove(&future.rep());
        types::HostFutureIncomingResponse::drop(&mut self.http, future)
    }
}

impl TappedHttp<'_> {
    /// What came back; a sender that died without a word is a broken connection.
    fn reply(&self, number: u32) -> Reply {
        self.tap
            .post
            .replies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&number)
            .unwrap_or_else(|| Reply::None(NoAnswer::Protocol(String::new())))
    }
}

impl types::HostFutureTrailers for TappedHttp<'_> {
    fn drop(&mut self, trailers: Resource<HostFutureTrailers>) -> Result<()> {
        types::HostFutureTrailers::drop(&mut self.http, trailers)
    }

    fn subscribe(&mut self, trailers: Resource<HostFutureTrailers>) -> Result<Resource<DynPollable>> {
        let pollable = types::HostFutureTrailers::subscribe(&mut self.http, trailers)?;
        self.tap.waits_for(&pollable, Source::Body);
        Ok(pollable)
    }

    fn get(
        &mut self,
        trailers: Resource<HostFutureTrailers>,
    ) -> Result<Option<Result<Result<Option<Resource<FieldMap>>, types::ErrorCode>, ()>>> {
        if !self.tap.is_on() {
            return types::HostFutureTrailers::get(&mut self.http, trailers);
        }
        match self.tap.answer(&Call::Trailers)? {
            Some(Answer::Pending) => Ok(None),
            // A whole body is at its end without waiting.
            Some(_) => {
                let future = self.http.table.get_mut(&trailers)?;
                poll_noop(std::pin::pin!(wasmtime_wasi::p2::Pollable::ready(future)));
                types::HostFutureTrailers::get(&mut self.http, trailers)
            }
            None => {
                let got = types::HostFutureTrailers::get(&mut self.http, trailers)?;
                let answer = if got.is_some() {
                    Answer::Done
                } else {
                    Answer::Pending
                };
                self.tap.note(Call::Trailers, answer);
                Ok(got)
            }
        }
    }
}

impl outgoing_handler::Host for TappedHttp<'_> {
    fn handle(
        &mut self,
        request: Resource<HostOutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> HttpResult<Resource<HostFutureIncomingResponse>> {
        let place = request.rep();
        // A request that is refused here never leaves, and is refused in the same way each time.
        let future = outgoing_handler::Host::handle(&mut self.http, request, options)?;
        if !self.tap.is_on() {
            return Ok(future);
        }
        let number = self.tap.post.sent.load(std::sync::atomic::Ordering::Relaxed);
        let head = self
            .tap
            .post
            .head
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(head) = head else {
            return Ok(future);
        };
        let whole = self.tap.whole.remove(&place);
        let body = self.tap.request_bodies.remove(&place);
        let being_written = body.and_then(|body| self.tap.bodies.get_mut(&body));
        let follows = being_written.is_some();
        if let Some(being_written) = being_written {
            being_written.request = Some(number);
        }
        self.tap.answers.insert(future.rep(), number);
        let call = Call::Send(Request {
            number,
            method: head.method.to_string(),
            url: head.uri.to_string(),
            headers: fields(&head.headers),
            body: whole,
            follows,
        });
        match self.tap.answer(&call).map_err(HttpError::trap)? {
            Some(Answer::Done) => {}
            Some(_) => return Err(HttpError::trap(unfit(&call))),
            None => self.tap.note(call, Answer::Done),
        }
        Ok(future)
    }
}

/// Headers in order.
pub(in crate::plugin) fn fields(headers: &http::HeaderMap) -> Vec<(String, Blob)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), Blob(Bytes::copy_from_slice(value.as_bytes()))))
        .collect()
}
