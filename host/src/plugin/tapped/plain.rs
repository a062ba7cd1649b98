//! The functions of `wasi:http/types` that only build a request or look at an answer: wasmtime's own.

use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynInputStream;
use wasmtime_wasi::p2::bindings::io::error::Error as IoError;
use wasmtime_wasi_http::p2::bindings::http::types;
use wasmtime_wasi_http::p2::body::{HostFutureTrailers, HostIncomingBody, HostOutgoingBody};
use wasmtime_wasi_http::p2::types::{
    HostIncomingRequest, HostIncomingResponse, HostOutgoingRequest, HostOutgoingResponse,
    HostResponseOutparam,
};
use wasmtime_wasi_http::p2::{HeaderError, HeaderResult, HttpError, HttpResult};
use wasmtime_wasi_http::{FieldMap, RequestOptions};

use super::{Body, TappedHttp};

impl types::Host for TappedHttp<'_> {
    fn convert_error_code(&mut self, error: HttpError) -> Result<types::ErrorCode> {
        types::Host::convert_error_code(&mut self.http, error)
    }

    fn convert_header_error(&mut self, error: HeaderError) -> Result<types::HeaderError> {
        types::Host::convert_header_error(&mut self.http, error)
    }

    fn http_error_code(&mut self, error: Resource<IoError>) -> Result<Option<types::ErrorCode>> {
        types::Host::http_error_code(&mut self.http, error)
    }
}

impl types::HostFields for TappedHttp<'_> {
    fn new(&mut self) -> Result<Resource<FieldMap>> {
        types::HostFields::new(&mut self.http)
    }

    fn from_list(&mut self, entries: Vec<(String, Vec<u8>)>) -> HeaderResult<Resource<FieldMap>> {
        types::HostFields::from_list(&mut self.http, entries)
    }

    fn drop(&mut self, fields: Resource<FieldMap>) -> Result<()> {
        types::HostFields::drop(&mut self.http, fields)
    }

    fn get(&mut self, fields: Resource<FieldMap>, name: String) -> Result<Vec<Vec<u8>>> {
        types::HostFields::get(&mut self.http, fields, name)
    }

    fn has(&mut self, fields: Resource<FieldMap>, name: String) -> Result<bool> {
        types::HostFields::has(&mut self.http, fields, name)
    }

    fn set(&mut self, fields: Resource<FieldMap>, name: String, values: Vec<Vec<u8>>) -> HeaderResult<()> {
        types::HostFields::set(&mut self.http, fields, name, values)
    }

    fn delete(&mut self, fields: Resource<FieldMap>, name: String) -> HeaderResult<()> {
        types::HostFields::delete(&mut self.http, fields, name)
    }

    fn append(&mut self, fields: Resource<FieldMap>, name: String, value: Vec<u8>) -> HeaderResult<()> {
        types::HostFields::append(&mut self.http, fields, name, value)
    }

    fn entries(&mut self, fields: Resource<FieldMap>) -> Result<Vec<(String, Vec<u8>)>> {
        types::HostFields::entries(&mut self.http, fields)
    }

    fn clone(&mut self, fields: Resource<FieldMap>) -> Result<Resource<FieldMap>> {
        types::HostFields::clone(&mut self.http, fields)
    }
}

impl types::HostIncomingRequest for TappedHttp<'_> {
    fn method(&mut self, request: Resource<HostIncomingRequest>) -> Result<types::Method> {
        types::HostIncomingRequest::method(&mut self.http, request)
    }

    fn path_with_query(&mut self, request: Resource<HostIncomingRequest>) -> Result<Option<String>> {
        types::HostIncomingRequest::path_with_query(&mut self.http, request)
    }

    fn scheme(&mut self, request: Resource<HostIncomingRequest>) -> Result<Option<types::Scheme>> {
        types::HostIncomingRequest::scheme(&mut self.http, request)
    }

    fn authority(&mut self, request: Resource<HostIncomingRequest>) -> Result<Option<String>> {
        types::HostIncomingRequest::authority(&mut self.http, request)
    }

    fn headers(&mut self, request: Resource<HostIncomingRequest>) -> Result<Resource<FieldMap>> {
        types::HostIncomingRequest::headers(&mut self.http, request)
    }

    fn consume(
        &mut self,
        request: Resource<HostIncomingRequest>,
    ) -> Result<Result<Resource<HostIncomingBody>, ()>> {
        types::HostIncomingRequest::consume(&mut self.http, request)
    }

    fn drop(&mut self, request: Resource<HostIncomingRequest>) -> Result<()> {
        types::HostIncomingRequest::drop(&mut self.http, request)
    }
}

impl types::HostOutgoingRequest for TappedHttp<'_> {
    fn new(&mut self, headers: Resource<FieldMap>) -> Result<Resource<HostOutgoingRequest>> {
        types::HostOutgoingRequest::new(&mut self.http, headers)
    }

    fn body(
        &mut self,
        request: Resource<HostOutgoingRequest>,
    ) -> Result<Result<Resource<HostOutgoingBody>, ()>> {
        let place = request.rep();
        let body = types::HostOutgoingRequest::body(&mut self.http, request)?;
        if let (true, Ok(body)) = (self.tap.is_on(), &body) {
            self.tap.request_bodies.insert(place, body.rep());
            self.tap.bodies.insert(body.rep(), Body::default());
        }
        Ok(body)
    }

    fn drop(&mut self, request: Resource<HostOutgoingRequest>) -> Result<()> {
        self.tap.request_bodies.remove(&request.rep());
        self.tap.whole.remove(&request.rep());
        types::HostOutgoingRequest::drop(&mut self.http, request)
    }

    fn method(&mut self, request: Resource<HostOutgoingRequest>) -> Result<types::Method> {
        types::HostOutgoingRequest::method(&mut self.http, request)
    }

    fn set_method(
        &mut self,
        request: Resource<HostOutgoingRequest>,
        method: types::Method,
    ) -> Result<Result<(), ()>> {
        types::HostOutgoingRequest::set_method(&mut self.http, request, method)
    }

    fn path_with_query(&mut self, request: Resource<HostOutgoingRequest>) -> Result<Option<String>> {
        types::HostOutgoingRequest::path_with_query(&mut self.http, request)
    }

    fn set_path_with_query(
        &mut self,
        request: Resource<HostOutgoingRequest>,
        path: Option<String>,
    ) -> Result<Result<(), ()>> {
        types::HostOutgoingRequest::set_path_with_query(&mut self.http, request, path)
    }

    fn scheme(&mut self, request: Resource<HostOutgoingRequest>) -> Result<Option<types::Scheme>> {
        types::HostOutgoingRequest::scheme(&mut self.http, request)
    }

    fn set_scheme(
        &mut self,
        request: Resource<HostOutgoingRequest>,
        scheme: Option<types::Scheme>,
    ) -> Result<Result<(), ()>> {
        types::HostOutgoingRequest::set_scheme(&mut self.http, request, scheme)
    }

    fn authority(&mut self, request: Resource<HostOutgoingRequest>) -> Result<Option<String>> {
        types::HostOutgoingRequest::authority(&mut self.http, request)
    }

    fn set_authority(
        &mut self,
        request: Resource<HostOutgoingRequest>,
        authority: Option<String>,
    ) -> Result<Result<(), ()>> {
        types::HostOutgoingRequest::set_authority(&mut self.http, request, authority)
    }

    fn headers(&mut self, request: Resource<HostOutgoingRequest>) -> Result<Resource<FieldMap>> {
        types::HostOutgoingRequest::headers(&mut self.http, request)
    }
}

impl types::HostResponseOutparam for TappedHttp<'_> {
    fn drop(&mut self, out: Resource<HostResponseOutparam>) -> Result<()> {
        types::HostResponseOutparam::drop(&mut self.http, out)
    }

    fn set(
        &mut self,
        out: Resource<HostResponseOutparam>,
        response: Result<Resource<HostOutgoingResponse>, types::ErrorCode>,
    ) -> Result<()> {
        types::HostResponseOutparam::set(&mut self.http, out, response)
    }

    fn send_informational(
        &mut self,
        out: Resource<HostResponseOutparam>,
        status: u16,
        headers: Resource<FieldMap>,
    ) -> HttpResult<()> {
        types::HostResponseOutparam::send_informational(&mut self.http, out, status, headers)
    }
}

impl types::HostIncomingResponse for TappedHttp<'_> {
    fn drop(&mut self, response: Resource<HostIncomingResponse>) -> Result<()> {
        types::HostIncomingResponse::drop(&mut self.http, response)
    }

    fn status(&mut self, response: Resource<HostIncomingResponse>) -> Result<u16> {
        types::HostIncomingResponse::status(&mut self.http, response)
    }

    fn headers(&mut self, response: Resource<HostIncomingResponse>) -> Result<Resource<FieldMap>> {
        types::HostIncomingResponse::headers(&mut self.http, response)
    }

    fn consume(
        &mut self,
        response: Resource<HostIncomingResponse>,
    ) -> Result<Result<Resource<HostIncomingBody>, ()>> {
        types::HostIncomingResponse::consume(&mut self.http, response)
    }
}

impl types::HostIncomingBody for TappedHttp<'_> {
    fn stream(&mut self, body: Resource<HostIncomingBody>) -> Result<Result<Resource<DynInputStream>, ()>> {
        types::HostIncomingBody::stream(&mut self.http, body)
    }

    fn finish(&mut self, body: Resource<HostIncomingBody>) -> Result<Resource<HostFutureTrailers>> {
        types::HostIncomingBody::finish(&mut self.http, body)
    }

    fn drop(&mut self, body: Resource<HostIncomingBody>) -> Result<()> {
        types::HostIncomingBody::drop(&mut self.http, body)
    }
}

impl types::HostOutgoingResponse for TappedHttp<'_> {
    fn new(&mut self, headers: Resource<FieldMap>) -> Result<Resource<HostOutgoingResponse>> {
        types::HostOutgoingResponse::new(&mut self.http, headers)
    }

    fn body(
        &mut self,
        response: Resource<HostOutgoingResponse>,
    ) -> Result<Result<Resource<HostOutgoingBody>, ()>> {
        types::HostOutgoingResponse::body(&mut self.http, response)
    }

    fn status_code(&mut self, response: Resource<HostOutgoingResponse>) -> Result<u16> {
        types::HostOutgoingResponse::status_code(&mut self.http, response)
    }

    fn set_status_code(
        &mut self,
        response: Resource<HostOutgoingResponse>,
        status: u16,
    ) -> Result<Result<(), ()>> {
        types::HostOutgoingResponse::set_status_code(&mut self.http, response, status)
    }

    fn headers(&mut self, response: Resource<HostOutgoingResponse>) -> Result<Resource<FieldMap>> {
        types::HostOutgoingResponse::headers(&mut self.http, response)
    }

    fn drop(&mut self, response: Resource<HostOutgoingResponse>) -> Result<()> {
        types::HostOutgoingResponse::drop(&mut self.http, response)
    }
}

impl types::HostRequestOptions for TappedHttp<'_> {
    fn new(&mut self) -> Result<Resource<RequestOptions>> {
        types::HostRequestOptions::new(&mut self.http)
    }

    fn connect_timeout(&mut self, options: Resource<RequestOptions>) -> Result<Option<u64>> {
        types::HostRequestOptions::connect_timeout(&mut self.http, options)
    }

    fn set_connect_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        duration: Option<u64>,
    ) -> Result<Result<(), ()>> {
        types::HostRequestOptions::set_connect_timeout(&mut self.http, options, duration)
    }

    fn first_byte_timeout(&mut self, options: Resource<RequestOptions>) -> Result<Option<u64>> {
        types::HostRequestOptions::first_byte_timeout(&mut self.http, options)
    }

    fn set_first_byte_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        duration: Option<u64>,
    ) -> Result<Result<(), ()>> {
        types::HostRequestOptions::set_first_byte_timeout(&mut self.http, options, duration)
    }

    fn between_bytes_timeout(&mut self, options: Resource<RequestOptions>) -> Result<Option<u64>> {
        types::HostRequestOptions::between_bytes_timeout(&mut self.http, options)
    }

    fn set_between_bytes_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        duration: Option<u64>,
    ) -> Result<Result<(), ()>> {
        types::HostRequestOptions::set_between_bytes_timeout(&mut self.http, options, duration)
    }

    fn drop(&mut self, options: Resource<RequestOptions>) -> Result<()> {
        types::HostRequestOptions::drop(&mut self.http, options)
    }
}
