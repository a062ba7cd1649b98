//! Components that make one request through wasi:http, by hand, as no library would.

use wasm_encoder::{BlockType, Instruction, MemArg};

use super::forge::{Forgery, RETURN, answer_nothing};

/// A word at an address.
pub const WORD: MemArg = MemArg {
    offset: 0,
    align: 2,
    target: wasm_encoder::MemArgTarget::Memory(0),
    ordering: None,
};
const BYTE: MemArg = MemArg {
    offset: 0,
    align: 0,
    target: wasm_encoder::MemArgTarget::Memory(0),
    ordering: None,
};
/// Where the answer `permanent-denied` lies.
const DENIED: i32 = RETURN + 256;
const TYPES: &str = "wasi:http/types";

/// A request.
#[derive(Debug, Clone)]
pub struct Ask {
    method: &'static str,
    tls: bool,
    authority: String,
    /// Path and query.
    pub path: String,
    header: Option<(&'static str, &'static str)>,
    body: Option<String>,
}

impl Ask {
    pub fn new(method: &'static str, authority: &str, path: &str) -> Self {
        Self {
            method,
            tls: true,
            authority: authority.to_owned(),
            path: path.to_owned(),
            header: None,
            body: None,
        }
    }

    pub fn post(authority: &str, path: &str, body: &str) -> Self {
        Self::new("post", authority, path).with_body(body)
    }

    pub fn with_body(self, body: &str) -> Self {
        let header = Some(("content-type", "application/json"));
        Self {
            body: Some(body.to_owned()),
            header,
            ..self
        }
    }

    pub fn with_header(self, name: &'static str, value: &'static str) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }

    pub fn without_tls(self) -> Self {
        Self { tls: false, ..self }
    }
}

/// Crashes unless the byte at an address is this one.
pub fn insist(address: i32, byte: i32) -> Vec<Instruction<'static>> {
    vec![
        Instruction::I32Const(address),
        Instruction::I32Load8U(BYTE),
        Instruction::I32Const(byte),
        Instruction::I32Ne,
        Instruction::If(BlockType::Empty),
        Instruction::Unreachable,
        Instruction::End,
    ]
}

/// Says that it did everything, and does nothing.
pub fn pretending(export: &'static str) -> Forgery {
    Forgery::of_world().export(export, |_| answer_nothing())
}

/// Makes the request in an export. Answers `permanent-denied` if it was refused as requests are, else crashes.
pub fn asking(export: &'static str, ask: &Ask) -> Forgery {
    let told = "refused";
    let (header, value) = ask.header.unwrap_or(("accept", "application/json"));
    let ask = ask.clone();
    let forgery = Forgery::of_world()
        // First, so that its address is known to the answer below.
        .text("told", told)
        .text("authority", &ask.authority)
        .text("path", &ask.path)
        .text("header", header)
        .text("value", value)
        .text("body", ask.body.as_deref().unwrap_or_default())
        .import(TYPES, "[constructor]fields")
        .import(TYPES, "[method]fields.append")
        .import(TYPES, "[constructor]outgoing-request")
        .import(TYPES, "[method]outgoing-request.set-method")
        .import(TYPES, "[method]outgoing-request.set-scheme")
        .import(TYPES, "[method]outgoing-request.set-authority")
        .import(TYPES, "[method]outgoing-request.set-path-with-query")
        .import(TYPES, "[method]outgoing-request.body")
        .import(TYPES, "[method]outgoing-body.write")
        .import(TYPES, "[static]outgoing-body.finish")
        .import(TYPES, "[method]future-incoming-response.subscribe")
        .import(TYPES, "[method]future-incoming-response.get")
        .import("wasi:http/outgoing-handler", "handle")
        .import(
            "wasi:io/streams",
            "[method]output-stream.blocking-write-and-flush",
        )
        .import_drop("wasi:io/streams", "output-stream")
        .import("wasi:io/poll", "[method]pollable.block");
    let method = forgery.case(TYPES, "method", ask.method);
    let scheme = forgery.case(TYPES, "scheme", if ask.tls { "HTTPS" } else { "HTTP" });
    let request_denied = forgery.case(TYPES, "error-code", "HTTP-request-denied");
    let denied = forgery.case("groupcast:sync/types", "error", "permanent-denied");

    // result.err(permanent-denied({ message, place, vendor: none })), as the canonical ABI lays it out.
    let mut answer = vec![1u8, 0, 0, 0, 0, 0, 0, 0];
    answer.extend([u8::try_from(denied).unwrap(), 0, 0, 0, 0, 0, 0, 0]);
    for word in [super::forge::DATA, 7, super::forge::DATA, 7, 0] {
        answer.extend(word.to_le_bytes());
    }
    forgery.bytes(DENIED, answer).export(export, move |scope| {
        use Instruction::{Drop, I32Const, I32Load, LocalGet, LocalSet};
        let (fields, request, body, stream) = (scope.free, scope.free + 1, scope.free + 2, scope.free + 3);
        let mut code = vec![
            scope.call(TYPES, "[constructor]fields"),
            LocalSet(fields),
            LocalGet(fields),
        ];
        code.extend(scope.text("header", header));
        code.extend(scope.text("value", value));
        code.extend([I32Const(RETURN), scope.call(TYPES, "[method]fields.append")]);
        code.extend(insist(RETURN, 0));
        code.extend([
            LocalGet(fields),
            scope.call(TYPES, "[constructor]outgoing-request"),
            LocalSet(request),
        ]);
        code.extend([LocalGet(request), I32Const(method), I32Const(0), I32Const(0)]);
        code.extend([scope.call(TYPES, "[method]outgoing-request.set-method"), Drop]);
        code.extend([
            LocalGet(request),
            I32Const(1),
            I32Const(scheme),
            I32Const(0),
            I32Const(0),
        ]);
        code.extend([scope.call(TYPES, "[method]outgoing-request.set-scheme"), Drop]);
        code.extend([LocalGet(request), I32Const(1)]);
        code.extend(scope.text("authority", &ask.authority));
        code.extend([scope.call(TYPES, "[method]outgoing-request.set-authority"), Drop]);
        code.extend([LocalGet(request), I32Const(1)]);
        code.extend(scope.text("path", &ask.path));
        code.extend([
            scope.call(TYPES, "[method]outgoing-request.set-path-with-query"),
            Drop,
        ]);
        code.extend([
            LocalGet(request),
            I32Const(RETURN),
            scope.call(TYPES, "[method]outgoing-request.body"),
        ]);
        code.extend([I32Const(RETURN + 4), I32Load(WORD), LocalSet(body)]);
        code.extend([LocalGet(request), I32Const(0), I32Const(0), I32Const(RETURN)]);
        code.push(scope.call("wasi:http/outgoing-handler", "handle"));
        code.extend(insist(RETURN, 0));
        // The request's handle is gone; its place is the future's now.
        code.extend([I32Const(RETURN + 8), I32Load(WORD), LocalSet(request)]);
        if let Some(text) = &ask.body {
            code.extend([
                LocalGet(body),
                I32Const(RETURN),
                scope.call(TYPES, "[method]outgoing-body.write"),
            ]);
            code.extend([
                I32Const(RETURN + 4),
                I32Load(WORD),
                LocalSet(stream),
                LocalGet(stream),
            ]);
            code.extend(scope.text("body", text));
            code.push(I32Const(RETURN));
            code.push(scope.call(
                "wasi:io/streams",
                "[method]output-stream.blocking-write-and-flush",
            ));
            code.extend([
                LocalGet(stream),
                scope.call("wasi:io/streams", "[resource-drop]output-stream"),
            ]);
        }
        code.extend([LocalGet(body), I32Const(0), I32Const(0), I32Const(RETURN)]);
        code.push(scope.call(TYPES, "[static]outgoing-body.finish"));
        code.extend([
            LocalGet(request),
            scope.call(TYPES, "[method]future-incoming-response.subscribe"),
        ]);
        code.push(scope.call("wasi:io/poll", "[method]pollable.block"));
        code.extend([LocalGet(request), I32Const(RETURN)]);
        code.push(scope.call(TYPES, "[method]future-incoming-response.get"));
        // some(ok(err(HTTP-request-denied)))
        for (offset, expected) in [(0, 1), (8, 0), (16, 1), (24, request_denied)] {
            code.extend(insist(RETURN + offset, expected));
        }
        code.push(I32Const(DENIED));
        code
    })
}

/// Tries to set a header by each of the ways that there are. Ends well if each is refused as forbidden, else crashes.
pub fn naming_header(name: &'static str) -> Forgery {
    let forgery = Forgery::of_world()
        .text("header", name)
        .text("value", "mine")
        .import(TYPES, "[constructor]fields")
        .import(TYPES, "[method]fields.append")
        .import(TYPES, "[method]fields.set")
        .import(TYPES, "[static]fields.from-list");
    let forbidden = forgery.case(TYPES, "header-error", "forbidden");
    forgery.export("plan", move |scope| {
        use Instruction::{I32Const, I32Store, LocalGet, LocalSet};
        let fields = scope.free;
        let ([name_at, name_length], [value_at, value_length]) =
            (scope.text("header", name), scope.text("value", "mine"));
        let mut code = vec![scope.call(TYPES, "[constructor]fields"), LocalSet(fields)];

        code.extend([
            LocalGet(fields),
            name_at.clone(),
            name_length.clone(),
            value_at.clone(),
            value_length.clone(),
        ]);
        code.extend([I32Const(RETURN), scope.call(TYPES, "[method]fields.append")]);
        code.extend(insist(RETURN, 1));
        code.extend(insist(RETURN + 1, forbidden));

        // A list of one entry: the pair of name and value, or the value alone.
        let entry = RETURN + 64;
        for (offset, word) in [
            (0, name_at.clone()),
            (4, name_length.clone()),
            (8, value_at),
            (12, value_length),
        ] {
            code.extend([I32Const(entry + offset), word, I32Store(WORD)]);
        }
        code.extend([
            LocalGet(fields),
            name_at,
            name_length,
            I32Const(entry + 8),
            I32Const(1),
        ]);
        code.extend([I32Const(RETURN), scope.call(TYPES, "[method]fields.set")]);
        code.extend(insist(RETURN, 1));
        code.extend(insist(RETURN + 1, forbidden));

        code.extend([
            I32Const(entry),
            I32Const(1),
            I32Const(RETURN),
            scope.call(TYPES, "[static]fields.from-list"),
        ]);
        code.extend(insist(RETURN, 1));
        code.extend(insist(RETURN + 4, forbidden));
        code.extend(answer_nothing());
        code
    })
}
