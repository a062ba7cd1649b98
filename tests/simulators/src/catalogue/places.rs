//! Where faults strike: the requests that clients of each vendor make most.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::Vendor;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Pattern of the path; any where absent.
    pub path: Option<&'static str>,
    /// Parts of batches alone.
    pub only_parts: bool,
}

/// Any request.
pub(super) const ANYWHERE: Place = Place {
    path: None,
    only_parts: false,
};

/// Any part of a batch.
pub const PARTS: Place = Place {
    path: None,
    only_parts: true,
};

/// The requests with this path.
pub(super) const fn at(path: &'static str) -> Place {
    Place {
        path: Some(path),
        only_parts: false,
    }
}

const JUMPCLOUD_LISTS: &[&str] = &[
    "/api/v2/directories",
    "/api/v2/gsuites/*/associations",
    "/api/v2/office365s/*/associations",
    "/api/v2/office365s/*/users",
    "/api/v2/usergroups",
    "/api/v2/usergroups/*/membership",
    "/api/v2/usergroups/*/membership",
    "/api/systemusers",
];
const JUMPCLOUD_OBJECTS: &[&str] = &[
    "/api/v2/gsuites/*",
    "/api/v2/office365s/*",
    "/api/v2/usergroups/*",
    "/api/systemusers/*",
];
const GOOGLE_LISTS: &[&str] = &[
    "/admin/directory/v1/groups/*/members",
    "/admin/directory/v1/groups/*/members",
    "/admin/directory/v1/users",
];
const GOOGLE_OBJECTS: &[&str] = &[
    "/admin/directory/v1/groups/*",
    "/admin/directory/v1/groups/*/members/*",
    "/admin/directory/v1/users/*",
];
const ENTRA_LISTS: &[&str] = &["/v1.0/groups", "/v1.0/groups/*/members", "/v1.0/users"];
const ENTRA_OBJECTS: &[&str] = &["/v1.0/groups/*", "/v1.0/groups/*/members/**", "/v1.0/users/*"];

fn one_of(dice: &mut StdRng, paths: &'static [&'static str]) -> Place {
    paths.choose(dice).map_or(ANYWHERE, |path| at(path))
}

/// One of a vendor's lists.
pub(super) fn list(vendor: Vendor, dice: &mut StdRng) -> Place {
    let paths = match vendor {
        Vendor::Jumpcloud => JUMPCLOUD_LISTS,
        Vendor::Google => GOOGLE_LISTS,
        Vendor::Entra => ENTRA_LISTS,
    };
    one_of(dice, paths)
}

/// The list of a group's members.
pub(super) fn members(vendor: Vendor) -> Place {
    at(match vendor {
        Vendor::Jumpcloud => "/api/v2/usergroups/*/membership",
        Vendor::Google => "/admin/directory/v1/groups/*/members",
        Vendor::Entra => "/v1.0/groups/*/members",
    })
}

/// Requests for a single object.
pub(super) fn object(vendor: Vendor, dice: &mut StdRng) -> Place {
    let paths = match vendor {
        Vendor::Jumpcloud => JUMPCLOUD_OBJECTS,
        Vendor::Google => GOOGLE_OBJECTS,
        Vendor::Entra => ENTRA_OBJECTS,
    };
    one_of(dice, paths)
}

/// Any request, or those of one list, of single objects, or to the batch endpoint.
pub(super) fn any(vendor: Vendor, dice: &mut StdRng) -> Place {
    use rand::Rng;
    match dice.random_range(0..5) {
        0 => list(vendor, dice),
        1 => object(vendor, dice),
        2 => batch(vendor).unwrap_or(ANYWHERE),
        _ => ANYWHERE,
    }
}

/// The batch endpoint, of vendors that have one.
pub(super) fn batch(vendor: Vendor) -> Option<Place> {
    match vendor {
        Vendor::Jumpcloud => None,
        Vendor::Google => Some(at("/batch")),
        Vendor::Entra => Some(at("/v1.0/$batch")),
    }
}

/// The token endpoint.
pub(super) fn token(vendor: Vendor) -> Place {
    at(match vendor {
        Vendor::Jumpcloud => "/oauth2/token",
        Vendor::Google => "/token",
        Vendor::Entra => "/*/oauth2/v2.0/token",
    })
}

/// Text in the query of every page but the first.
pub(super) fn later_page(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Jumpcloud => "skip=",
        Vendor::Google => "pageToken=",
        Vendor::Entra => "skiptoken=",
    }
}
