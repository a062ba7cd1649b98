//! Directory Insights.

use serde_json::{Value, json};

use super::*;

fn event_types(simulator: &mut JumpcloudSimulator, query: Value) -> Vec<String> {
    let found = body(&post(simulator, "/insights/directory/v1/events", &query));
    let found = found.as_array().unwrap().iter();
    found
        .map(|event| event["event_type"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_click_is_an_event_and_late_ones_come_late() {
    let mut simulator = simulator(1);
    simulator.set_group_email(SALES, None).unwrap();
    simulator.advance_to(NOW + 1000);
    simulator.add_user_to_group(NORTH, &user_id(1)).unwrap();
    simulator.set_suspended(&user_id(1), true).unwrap();
    simulator.delete_group(NORTH).unwrap();
    let all = json!({"service": ["directory"], "start_time": "2026-11-22T00:00:00Z", "sort": "ASC"});
    assert_eq!(
        event_types(&mut simulator, all.clone()),
        [
            "group_update",
            "association_change",
            "user_suspended",
            "group_delete"
        ]
    );
    let mut some = all.clone();
    some["search_term"] = json!({"and": [{"event_type": "association_change"}, {"association.op": "add"}]});
    assert_eq!(event_types(&mut simulator, some), ["association_change"]);
    let found = body(&post(&mut simulator, "/insights/directory/v1/events", &all));
    assert_eq!(
        found[1]["association"]["connection"]["to"],
        json!({"type": "user", "object_id": user_id(1)})
    );
    simulator.behaviour_mut().events_late_ms = 60_000;
    simulator.rename_group(SALES, "Vertrieb").unwrap();
    assert_eq!(event_types(&mut simulator, all.clone()).len(), 4);
    simulator.advance_to(NOW + 61_000);
    assert_eq!(event_types(&mut simulator, all).len(), 5);
}

#[test]
fn events_page_by_search_after_and_the_mark_comes_with_the_last_page_too() {
    let mut simulator = simulator(5);
    for number in 1..=5 {
        simulator.set_suspended(&user_id(number), true).unwrap();
    }
    let mut query = json!({"service": ["all"], "start_time": "2026-11-22T00:00:00Z", "limit": 2});
    let mut seen = Vec::new();
    loop {
        let response = post(&mut simulator, "/insights/directory/v1/events", &query);
        assert_eq!(header(&response, "x-limit"), Some("2"));
        let page = body(&response);
        seen.extend(page.as_array().unwrap().iter().map(|event| event["id"].clone()));
        query["search_after"] = serde_json::from_str(header(&response, "x-search_after").unwrap()).unwrap();
        if header(&response, "x-result-count") != Some("2") {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    let distinct: std::collections::HashSet<String> = seen.iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), 5);
    for wrong in [
        json!({"service": ["all"]}),
        json!({"service": ["none"], "start_time": "2026-11-22T00:00:00Z"}),
        json!({"service": ["all"], "start_time": "today"}),
        json!({"service": ["all"], "start_time": "2026-11-22T00:00:00Z", "limit": 10_001}),
        json!({"service": ["all"], "start_time": "2026-11-22T00:00:00Z", "search_term_filter": {}}),
    ] {
        assert_eq!(
            post(&mut simulator, "/insights/directory/v1/events", &wrong).status(),
            400,
            "{wrong}"
        );
    }
}
