//! Reading Entra ID, over answers as Graph gives them. Here is what the rooms share.

mod groups;
mod members;
mod people;

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};

use super::*;
use crate::entra::fake::{self, BASE, Part, Said, error, missing, page, say, world};
use crate::environment::TransportError;
use crate::http::testing::{TestWorld, run};

type Log = Rc<RefCell<Vec<Part>>>;

fn wanted(group: &str, name: &str, bound: Option<&str>) -> Wanted {
    Wanted {
        group: group.into(),
        name: name.into(),
        key: crate::entra::key_of(group),
        bound: bound.map(str::to_owned),
    }
}
