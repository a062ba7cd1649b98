//! What a vendor does wrong in a laboratory: a rule, putting it in force, and taking all of them away.

use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Faults, Rule};

use crate::Lab;

/// A rule that strikes every request of this method and path, without end.
pub fn rule(vendor: Vendor, method: &str, path: &str, fault: Fault) -> Rule {
    Rule {
        vendor,
        method: Some(method.to_owned()),
        path: Some(path.to_owned()),
        query: None,
        skip: 0,
        times: None,
        fault,
    }
}

/// Puts a rule in force.
pub fn strike(lab: &Lab, rule: Rule) {
    lab.simulators.faults(|faults| faults.add(rule));
}

/// Takes all rules away.
pub fn heal(lab: &Lab) {
    lab.simulators.faults(Faults::clear);
}
