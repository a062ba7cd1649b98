//! The format and the player, without a component.

use groupcast_guest::engine::{Extent, Run, SourceEnd, TargetEnd};
use groupcast_guest::failure::{Failure, FailureKind};

use super::file::{FORMAT, Head, Kind, Outcome, ReadError, Recording, Writer};
use super::folder::Recordings;
use super::player::Player;
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Provenance, Settlement};
use crate::plugin::journal::{Answer, Blob, Call, Journal, Reply, Request, Source};
use crate::plugin::{Event, LogLevel, NoAnswer, RunLimits};

fn head() -> Head {
    Head {
        format: FORMAT.to_owned(),
        host: "0.1.0".to_owned(),
        started: "2026-01-14T07:00:00.123Z".to_owned(),
        connection: "default/google".to_owned(),
        kind: Kind::Plan,
        component: "ab".repeat(32),
        redacted: false,
        limits: (&RunLimits::default()).into(),
        run: Run {
            id: "20260114T070000123-1f2e3d4c".to_owned(),
            source: SourceEnd {
                vendor: "jumpcloud".to_owned(),
                base_url: "https://console.jumpcloud.com".to_owned(),
                events_base_url: None,
                directory: "65f1c0de0000000000000001".to_owned(),
            },
            target: TargetEnd {
                vendor: "google".to_owned(),
                base_url: "https://admin.googleapis.com".to_owned(),
            },
            settings: "{}".to_owned(),
            seed: u64::MAX,
            read: Extent::Whole,
        },
        question: None,
    }
}

/// One of each kind of call and answer.
fn calls() -> Vec<(Call, Answer)> {
    let text = |text: &str| Blob::from(text.as_bytes().to_vec());
    let membership = Membership {
        group: "g".to_owned(),
        target: "t".to_owned(),
        principal: "p".to_owned(),
        provenance: Provenance::Ours,
        user: None,
        address: "a@example.com".to_owned(),
    };
    let binding = Binding {
        group: "g".to_owned(),
        state: "managed".to_owned(),
        key: "k".to_owned(),
        target: None,
        details: "{}".to_owned(),
    };
    let intent = Intent {
        group: "g".to_owned(),
        operation: "{\"kind\":\"add-member\"}".to_owned(),
    };
    let failure = Failure::new(FailureKind::Throttled(Some(3)), "google", "wait");
    vec![
        (Call::MonotonicNow, Answer::Number(u64::MAX)),
        (Call::WallNow, Answer::Date(1_700_000_000, 5)),
        (Call::SleepFor(1, 20), Answer::Done),
        (
            Call::Poll(vec![Source::Timer(1), Source::Request(2), Source::Body]),
            Answer::Positions(vec![0, 2]),
        ),
        (Call::Ready(Source::Request(7)), Answer::Flag(false)),
        (
            Call::Send(Request {
                number: 1,
                method: "POST".to_owned(),
                url: "https://example.com/?a=%20".to_owned(),
                headers: vec![("accept".to_owned(), Blob::from(vec![0xff, 0x00]))],
                body: None,
                follows: true,
            }),
            Answer::Done,
        ),
        (Call::Body(Some(1), text("{\"a\":\"\u{2028}\"}")), Answer::Done),
        (
            Call::Answer(1),
            Answer::Reply(Reply::Response {
                status: 200,
                headers: vec![("content-type".to_owned(), text("application/json"))],
                body: Blob::from(vec![0x1f, 0x8b, 0xff]),
            }),
        ),
        (
            Call::Answer(2),
            Answer::Reply(Reply::None(NoAnswer::ResponseTooLarge(9))),
        ),
        (Call::CheckWrite, Answer::StreamFailed("gone".to_owned(), Some(3))),
        (Call::PutPart(text("{}")), Answer::Failed(failure)),
        (Call::NextPart, Answer::Part(None)),
        (Call::NextPart, Answer::Part(Some(text("{}")))),
        (
            Call::Bindings(None),
            Answer::Bindings(vec![binding.clone()], None),
        ),
        (
            Call::Memberships("g".to_owned(), Some("m".to_owned())),
            Answer::Memberships(vec![membership.clone()], Some("n".to_owned())),
        ),
        (Call::Intend(vec![intent.clone()]), Answer::Ids(vec![4])),
        (
            Call::Settle(vec![crate::ledger::Outcome {
                intent: 4,
                settlement: Settlement::Already,
                status: Some(409),
                reason: None,
                request_id: Some("r".to_owned()),
                effects: vec![Effect::Bind(binding), Effect::PutMembership(membership)],
            }]),
            Answer::Done,
        ),
        (
            Call::Amend(vec![
                Effect::Unbind("g".to_owned()),
                Effect::DropMembership {
                    group: "g".to_owned(),
                    target: "t".to_owned(),
                    principal: "p".to_owned(),
                },
            ]),
            Answer::Done,
        ),
        (
            Call::Unsettled(0),
            Answer::Open(vec![OpenIntent {
                id: 1,
                run: "r".to_owned(),
                intent,
            }]),
        ),
        (Call::StateGet("k".to_owned()), Answer::Value(None)),
        (
            Call::StatePut("k".to_owned(), Blob::default(), None),
            Answer::Version(Some(2)),
        ),
        (
            Call::Report(Event {
                phase: "planning".to_owned(),
                done: 1,
                total: None,
                message: String::new(),
            }),
            Answer::Done,
        ),
        (Call::Log(LogLevel::Warn, "line\nbreak".to_owned()), Answer::Done),
    ]
}

fn written(calls: &[(Call, Answer)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &head()).unwrap();
    for (call, answer) in calls {
        writer.call(call, answer).unwrap();
    }
    writer
        .end(Outcome::Returned(serde_json::json!({"groups": 1})))
        .unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    let recording = Recording::from_reader(written(&calls()).as_slice(), "a.gz").unwrap();
    assert_eq!(recording.head, head());
    assert_eq!(recording.calls, calls());
    assert_eq!(recording.ending.calls, calls().len() as u64);
    assert_eq!(
        recording.write(Vec::new()).unwrap(),
        written(&calls()),
        "byte for byte"
    );
}

#[test]
fn every_shorter_file_is_refused_and_no_flipped_bit_is_taken_for_a_recording() {
    let whole = written(&calls());
    let read = |bytes: &[u8]| Recording::from_reader(bytes, "a.gz");
    // The last eight bytes are gzip's own checksum and length, which ours goes before.
    for keep in 0..whole.len() - 12 {
        let error = read(&whole[..keep]).unwrap_err();
        assert!(
            matches!(error, ReadError::Truncated { .. } | ReadError::Foreign { .. }),
            "{keep}: {error}"
        );
    }
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        // Gzip's header has bytes without meaning, such as the time.
        if let Ok(recording) = read(&flipped) {
            assert_eq!((recording.head, recording.calls), (head(), calls()), "byte {at}");
        }
    }
}

#[test]
fn a_player_answers_in_order_and_keeps_the_first_difference() {
    let recording = Recording::from_reader(written(&calls()).as_slice(), "a.gz").unwrap();
    let player = Player::new(recording);
    assert_eq!(
        player.answer(&Call::MonotonicNow),
        Ok(Some(Answer::Number(u64::MAX)))
    );
    player.answer(&Call::MonotonicNow).unwrap_err();
    player.answer(&Call::WallNow).unwrap_err();
    let (same, difference, beyond) = player.result();
    let difference = difference.unwrap();
    assert_eq!((same, difference.call, beyond), (1, 2, None));
    assert_eq!(difference.recorded, "a look at the wall clock");
    assert_eq!(difference.replayed, "a look at the monotonic clock");
}

#[test]
fn a_run_is_found_by_its_beginning_and_no_name_leads_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = Recordings {
        folder: folder.path().to_path_buf(),
        keep: 20,
        largest: 1 << 20,
    };
    for run in ["20260114T1-a", "20260115T1-b"] {
        std::fs::write(recordings.path(run).unwrap(), written(&[])).unwrap();
    }
    assert_eq!(
        recordings.find("20260115"),
        Ok(recordings.path("20260115T1-b").unwrap())
    );
    assert!(recordings.find("2026").unwrap_err().contains("several"));
    let none = recordings.find("2025").unwrap_err();
    assert!(
        none.contains("--record") && none.contains("20260115T1-b"),
        "{none}"
    );
    assert_eq!(recordings.path("../../etc/passwd"), None);
    assert_eq!(recordings.path(""), None);
}
