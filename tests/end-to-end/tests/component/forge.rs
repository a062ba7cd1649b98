//! Makes components by hand, small enough to be read: a core module of a few instructions, against a world given as WIT.
//! Every export that is not written traps.

use std::collections::BTreeMap;
use std::path::PathBuf;

use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, ImportSection, Instruction, MemorySection, MemoryType, Module, RefType,
    StartSection, TableSection, TableType, TypeSection, ValType,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmSignature, WasmType};
use wit_parser::{InterfaceId, Resolve, WorldId, WorldItem};

/// Where results are written that do not fit a register; below the data of a forgery and its heap.
pub const RETURN: i32 = 1024;
/// Where a forgery's own text begins.
pub const DATA: u32 = 2048;
const HEAP: i32 = 64 << 10;

/// The folder of the published contract.
pub fn wit() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../wit")
}

/// What a body may refer to.
pub struct Scope<'a> {
    functions: &'a BTreeMap<(String, String), u32>,
    /// Index of the body's own function.
    pub own: u32,
    /// Index of the first of four free `i32` locals.
    pub free: u32,
    texts: &'a BTreeMap<&'static str, u32>,
}

impl Scope<'_> {
    /// Calls an import.
    pub fn call(&self, interface: &str, function: &str) -> Instruction<'static> {
        let key = (interface.to_owned(), function.to_owned());
        Instruction::Call(
            *self
                .functions
                .get(&key)
                .unwrap_or_else(|| panic!("{key:?} is not imported")),
        )
    }

    /// Address and length of a text.
    pub fn text(&self, name: &'static str, text: &str) -> [Instruction<'static>; 2] {
        let address = self.texts.get(name).unwrap_or_else(|| panic!("no text {name}"));
        [
            Instruction::I32Const(i32::try_from(*address).unwrap()),
            Instruction::I32Const(i32::try_from(text.len()).unwrap()),
        ]
    }
}

type Body = Box<dyn Fn(&Scope) -> Vec<Instruction<'static>> + Send>;

/// A component in the making.
pub struct Forgery {
    resolve: Resolve,
    world: WorldId,
    imports: Vec<(&'static str, &'static str)>,
    drops: Vec<(&'static str, String)>,
    texts: Vec<(&'static str, String)>,
    raw: Vec<(i32, Vec<u8>)>,
    bodies: BTreeMap<&'static str, Body>,
    start: Option<Vec<Instruction<'static>>>,
    allocate: Vec<Instruction<'static>>,
    /// Pages of memory at the start.
    pub pages: u64,
    /// Elements of the table at the start; none: there is no table.
    pub table: Option<u64>,
}

impl Forgery {
    /// Of the published world.
    pub fn of_world() -> Self {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(wit()).unwrap();
        let world = resolve.select_world(&[package], Some("sync")).unwrap();
        Self::new(resolve, world)
    }

    /// Of another world; WASI's packages and ours can be used in it.
    pub fn of(world: &str) -> Self {
        let mut resolve = Resolve::default();
        resolve.push_dir(wit()).unwrap();
        let package = resolve.push_source("other.wit", world).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();
        Self::new(resolve, world)
    }

    /// Of a world that knows no other package.
    pub fn alone(world: &str) -> Self {
        let mut resolve = Resolve::default();
        let package = resolve.push_source("other.wit", world).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();
        Self::new(resolve, world)
    }

    fn new(resolve: Resolve, world: WorldId) -> Self {
        Self {
            resolve,
            world,
            imports: Vec::new(),
            drops: Vec::new(),
            texts: Vec::new(),
            raw: Vec::new(),
            bodies: BTreeMap::new(),
            start: None,
            // A heap that only grows, at eight-byte steps.
            allocate: vec![
                Instruction::GlobalGet(0),
                Instruction::GlobalGet(0),
                Instruction::LocalGet(3),
                Instruction::I32Add,
                Instruction::I32Const(7),
                Instruction::I32Add,
                Instruction::I32Const(-8),
                Instruction::I32And,
                Instruction::GlobalSet(0),
            ],
            pages: 2,
            table: None,
        }
    }

    /// Imports a function; an interface is named without its version, unless several versions are there.
    pub fn import(mut self, interface: &'static str, function: &'static str) -> Self {
        self.imports.push((interface, function));
        self
    }

    /// Imports the end of a resource.
    pub fn import_drop(mut self, interface: &'static str, resource: &str) -> Self {
        self.drops.push((interface, format!("[resource-drop]{resource}")));
        self
    }

    /// Puts a text into memory.
    pub fn text(mut self, name: &'static str, text: &str) -> Self {
        self.texts.push((name, text.to_owned()));
        self
    }

    /// Puts bytes at an address below the texts.
    pub fn bytes(mut self, address: i32, bytes: Vec<u8>) -> Self {
        self.raw.push((address, bytes));
        self
    }

    /// Writes an export's body.
    pub fn export(
        mut self,
        function: &'static str,
        body: impl Fn(&Scope) -> Vec<Instruction<'static>> + Send + 'static,
    ) -> Self {
        self.bodies.insert(function, Box::new(body));
        self
    }

    /// What runs when an instance is made, before any export.
    pub fn start(mut self, body: Vec<Instruction<'static>>) -> Self {
        self.start = Some(body);
        self
    }

    /// Another `realloc`: of old address, old size, alignment and new size, it leaves an address.
    pub fn allocating(mut self, body: Vec<Instruction<'static>>) -> Self {
        self.allocate = body;
        self
    }

    /// Position of a case in a variant of an interface: its discriminant.
    pub fn case(&self, interface: &str, variant: &str, case: &str) -> i32 {
        let (_, interface) = self.interface(interface);
        let id = self.resolve.interfaces[interface].types[variant];
        let wit_parser::TypeDefKind::Variant(variant) = &self.resolve.types[id].kind else {
            panic!("{variant} is no variant");
        };
        let position = variant.cases.iter().position(|known| known.name == case);
        i32::try_from(position.unwrap_or_else(|| panic!("no case {case}"))).unwrap()
    }

    fn interface(&self, name: &str) -> (String, InterfaceId) {
        self.resolve
            .interfaces
            .iter()
            .find_map(|(id, _)| {
                let full = self.resolve.id_of(id)?;
                (full == name || full.split('@').next() == Some(name)).then_some((full, id))
            })
            .unwrap_or_else(|| panic!("no interface {name}"))
    }

    /// The component's bytes.
    pub fn build(self) -> Vec<u8> {
        let mut module = self.module();
        embed_component_metadata(
            &mut module,
            &self.resolve,
            self.world,
            StringEncoding::UTF8,
            false,
        )
        .unwrap();
        ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .unwrap()
            .encode()
            .unwrap()
    }

    fn module(&self) -> Vec<u8> {
        let (mut types, mut imports, mut functions) =
            (TypeSection::new(), ImportSection::new(), FunctionSection::new());
        let (mut exports, mut code, mut data) =
            (ExportSection::new(), CodeSection::new(), DataSection::new());
        let mut index = BTreeMap::new();
        for (count, (interface, function)) in (0u32..).zip(&self.imports) {
            let (module, id) = self.interface(interface);
            let known = &self.resolve.interfaces[id].functions[*function];
            let signature = self.resolve.wasm_signature(AbiVariant::GuestImport, known);
            declare(&mut types, &signature);
            imports.import(&module, function, EntityType::Function(count));
            index.insert(((*interface).to_owned(), (*function).to_owned()), count);
        }
        for (interface, function) in &self.drops {
            let count = u32::try_from(index.len()).unwrap();
            types.ty().function([ValType::I32], []);
            imports.import(
                &self.interface(interface).0,
                function,
                EntityType::Function(count),
            );
            index.insert(((*interface).to_owned(), function.clone()), count);
        }
        let mut texts = BTreeMap::new();
        let mut next = DATA;
        for (name, text) in &self.texts {
            data.active(
                0,
                &ConstExpr::i32_const(i32::try_from(next).unwrap()),
                text.bytes(),
            );
            texts.insert(*name, next);
            next += u32::try_from(text.len()).unwrap();
        }
        for (address, bytes) in &self.raw {
            data.active(0, &ConstExpr::i32_const(*address), bytes.iter().copied());
        }

        let mut number = u32::try_from(index.len()).unwrap();
        for (name, signature, function) in self.exported() {
            declare(&mut types, &signature);
            functions.function(number);
            exports.export(&name, ExportKind::Func, number);
            let mut made = Function::new([(4, ValType::I32)]);
            let scope = Scope {
                functions: &index,
                own: number,
                free: u32::try_from(signature.params.len()).unwrap(),
                texts: &texts,
            };
            match self.bodies.get(&*function) {
                Some(body) => body(&scope).iter().for_each(|instruction| {
                    made.instruction(instruction);
                }),
                None => {
                    made.instruction(&Instruction::Unreachable);
                }
            }
            made.instruction(&Instruction::End);
            code.function(&made);
            number += 1;
        }
        // What is handed in must lie somewhere.
        types.ty().function([ValType::I32; 4], [ValType::I32]);
        functions.function(number);
        exports.export("cabi_realloc", ExportKind::Func, number);
        exports.export("memory", ExportKind::Memory, 0);
        let mut allocate = Function::new([]);
        for instruction in self.allocate.iter().chain([&Instruction::End]) {
            allocate.instruction(instruction);
        }
        code.function(&allocate);
        let mut begin = None;
        if let Some(body) = &self.start {
            number += 1;
            types.ty().function([], []);
            functions.function(number);
            let mut made = Function::new([]);
            for instruction in body.iter().chain([&Instruction::End]) {
                made.instruction(instruction);
            }
            code.function(&made);
            begin = Some(StartSection {
                function_index: number,
            });
        }
        let mut tables = TableSection::new();
        if let Some(elements) = self.table {
            tables.table(TableType {
                element_type: RefType::FUNCREF,
                table64: false,
                minimum: elements,
                maximum: None,
                shared: false,
            });
        }
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: self.pages,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut globals = GlobalSection::new();
        globals.global(
            GlobalType {
                val_type: ValType::I32,
                mutable: true,
                shared: false,
            },
            &ConstExpr::i32_const(HEAP),
        );
        let mut module = Module::new();
        module
            .section(&types)
            .section(&imports)
            .section(&functions)
            .section(&tables)
            .section(&memories)
            .section(&globals);
        module.section(&exports);
        if let Some(begin) = &begin {
            module.section(begin);
        }
        module.section(&code).section(&data);
        module.finish()
    }

    /// Core name, signature and plain name of each export of the world.
    fn exported(&self) -> Vec<(String, WasmSignature, String)> {
        let mut found = Vec::new();
        for (key, item) in &self.resolve.worlds[self.world].exports {
            let key = self.resolve.name_world_key(key);
            match item {
                WorldItem::Interface { id, .. } => {
                    for (name, function) in &self.resolve.interfaces[*id].functions {
                        let signature = self.resolve.wasm_signature(AbiVariant::GuestExport, function);
                        found.push((format!("{key}#{name}"), signature, name.clone()));
                    }
                }
                WorldItem::Function(function) => {
                    let signature = self.resolve.wasm_signature(AbiVariant::GuestExport, function);
                    found.push((key.clone(), signature, key));
                }
                WorldItem::Type { .. } => {}
            }
        }
        found
    }
}

fn declare(types: &mut TypeSection, signature: &WasmSignature) {
    let value = |ty: &WasmType| match ty {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => ValType::I32,
        WasmType::I64 | WasmType::PointerOrI64 => ValType::I64,
        WasmType::F32 => ValType::F32,
        WasmType::F64 => ValType::F64,
    };
    types.ty().function(
        signature.params.iter().map(value),
        signature.results.iter().map(value),
    );
}

/// Answers with a success whose numbers are all zero, and whose lists are empty.
pub fn answer_nothing() -> Vec<Instruction<'static>> {
    // Nothing was written at this address: memory begins as zeros.
    vec![Instruction::I32Const(RETURN + 512)]
}
