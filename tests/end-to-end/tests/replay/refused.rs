//! What is not replayed, and why; and where a recording and a replay part.

use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use groupcast::plugin::Plugin;
use groupcast::plugin::journal::{Answer, Call, Reply};
use groupcast::recording::{ReadError, Recording};
use groupcast_tests::{Lab, Target, component};
use tokio_util::sync::CancellationToken;

use crate::recorded::{file, plan, read, replay};

async fn planned() -> (Lab, String) {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1, 2]);
    let run = plan(&lab, Target::Google).await.run;
    (lab, run)
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn write(path: &Path, text: &str) {
    let mut out = GzEncoder::new(std::fs::File::create(path).unwrap(), Compression::fast());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_recording_is_found_out_with_the_line() {
    let (lab, run) = planned().await;
    let path = file(&lab, &run);
    let whole = text(&path);
    let (line, _) = (1..)
        .zip(whole.lines())
        .find(|(_, line)| line.contains("\"answer\":") && line.contains("user-000001@example.com"))
        .expect("an answer names a person");
    let changed: Vec<String> = (1..)
        .zip(whole.lines())
        .map(|(number, text)| {
            let text = if number == line {
                text.replacen("user-000001@example.com", "user-000009@example.com", 1)
            } else {
                text.to_owned()
            };
            text + "\n"
        })
        .collect();
    write(&path, &changed.concat());
    let error = Recording::read(&path).unwrap_err();
    assert!(
        matches!(&error, ReadError::Changed { line: found, .. } if *found == line),
        "line {line}: {error}"
    );
    assert!(
        error.to_string().contains("taking the answer to request"),
        "{error}"
    );
    // A line that is gone is found at its place too.
    let gone: String = whole
        .lines()
        .enumerate()
        .filter(|(at, _)| *at != 20)
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    write(&path, &gone);
    let error = Recording::read(&path).unwrap_err();
    assert!(matches!(error, ReadError::Changed { line: 21, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_cut_off_or_is_none_is_a_clear_error() {
    let (lab, run) = planned().await;
    let path = file(&lab, &run);
    let bytes = std::fs::read(&path).unwrap();
    for keep in [bytes.len() - 40, bytes.len() / 2, 600] {
        std::fs::write(&path, &bytes[..keep]).unwrap();
        let error = Recording::read(&path).unwrap_err();
        assert!(
            matches!(error, ReadError::Truncated { .. } | ReadError::Foreign { .. }),
            "{keep}: {error}"
        );
    }
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = Recording::read(&path).unwrap_err().to_string();
    assert!(error.contains("cut off"), "{error}");
    for foreign in [&b"PK\x03\x04"[..], b"", b"{\"recording\":1}"] {
        std::fs::write(&path, foreign).unwrap();
        let error = Recording::read(&path).unwrap_err();
        assert!(matches!(error, ReadError::Foreign { .. }), "{error}");
    }
    // The whole text without its last line, well compressed: the end is missing all the same.
    std::fs::write(&path, &bytes).unwrap();
    let whole = text(&path);
    let (rest, _) = whole.trim_end().rsplit_once('\n').unwrap();
    write(&path, &format!("{rest}\n"));
    assert!(matches!(
        Recording::read(&path).unwrap_err(),
        ReadError::Truncated { .. }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_whose_answers_are_others_shows_the_first_call_that_differs() {
    let (lab, run) = planned().await;
    let mut recording = read(&lab, &run);
    // Somebody forges an answer and all checksums: the component then makes another plan, and that is found.
    let forged = recording.calls.iter_mut().find_map(|(_, answer)| match answer {
        Answer::Reply(Reply::Response { body, .. }) => {
            let text = String::from_utf8(body.0.to_vec()).unwrap();
            text.contains("\"sales@example.com\"").then(|| {
                *body = text
                    .replace("\"sales@example.com\"", "\"other@example.com\"")
                    .into_bytes()
                    .into();
            })
        }
        _ => None,
    });
    assert!(forged.is_some(), "an answer has the group's address");
    let path = lab.folder.path().join("forged.gz");
    recording.write(std::fs::File::create(&path).unwrap()).unwrap();
    let replayed = replay(Recording::read(&path).unwrap()).await;
    let difference = replayed.difference.clone().expect("it differs");
    assert!(difference.replayed.contains("other"), "{difference}");
    assert!(difference.recorded.contains("sales"), "{difference}");
    assert!(difference.call > 1 && difference.call < replayed.recorded_calls);
    assert_eq!(replay(recording).await, replayed, "the same place each time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_plan_part_is_shown_with_its_byte() {
    let (lab, run) = planned().await;
    let mut recording = read(&lab, &run);
    let (number, at) = (1..)
        .zip(recording.calls.iter_mut())
        .find_map(|(number, (call, _))| match call {
            Call::PutPart(part) => {
                let mut bytes = part.0.to_vec();
                let at = bytes.len() / 2;
                bytes[at] ^= 1;
                *part = bytes.into();
                Some((number, at as u64))
            }
            _ => None,
        })
        .unwrap();
    let difference = replay(recording).await.difference.unwrap();
    assert_eq!(
        (difference.call, difference.byte),
        (number, Some(at)),
        "{difference}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_component_is_refused() {
    let (lab, run) = planned().await;
    let (engine, _) = component();
    // The same component with a custom section more: another digest is another component.
    let mut bytes = groupcast::plugin::EMBEDDED.to_vec();
    bytes.extend([0, 3, 1, b'x', 0]);
    let other = Plugin::from_bytes(&engine, &bytes, "other.wasm").unwrap();
    let error = groupcast::recording::replay(&engine, &other, read(&lab, &run), &CancellationToken::new())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("other.wasm") && error.contains("only the same component"),
        "{error}"
    );
}
