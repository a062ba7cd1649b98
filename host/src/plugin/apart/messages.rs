//! What the host and the process of a run tell each other: JSON, each message with its length in four bytes before it
//! (big-endian), as `tokio_util`'s `LengthDelimitedCodec` has it.

use std::io::{self, Read, Write};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_util::codec::LengthDelimitedCodec;

use crate::plugin::asked::{Answered, Asked};
use crate::plugin::error::RunError;
use crate::plugin::journal::{Answer, Call};
use crate::plugin::limits::RunLimits;
use crate::plugin::violation::Violation;

/// What the process is to do. The component's bytes follow as a message of their own.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Begin {
    /// Limits that the host's engine was made for: with the same, compiled code is found again.
    pub(super) engine: RunLimits,
    /// Limits of this run.
    pub(super) limits: RunLimits,
    pub(super) asked: Asked,
    /// Whether what WASI answers is noted too.
    pub(super) journalled: bool,
}

/// The host's answer to a call.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answers {
    pub(super) number: u64,
    pub(super) answer: Answer,
}

/// What the process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Says {
    /// The process is there, before anything of the component is in it.
    Begins {
        /// Why it is not shut off from files and network, where it is not.
        exposed: Option<String>,
    },
    /// The component calls an import, and waits.
    Calls {
        number: u64,
        /// Processor time that the run has used by now.
        computed: Duration,
        call: Call,
    },
    /// A log line or progress, which nobody waits for: [`Call::Log`] or [`Call::Report`].
    Tells(Call),
    /// A call that was answered there, for the journal.
    Notes(Call, Answer),
    /// A breach that ends nothing.
    Violated(Violation),
    /// The run is over.
    Ended {
        outcome: Result<Answered, RunError>,
        memory_peak: u64,
        has_flooded: bool,
        computed: Duration,
    },
}

/// Messages of so many bytes at most.
pub(super) fn codec(largest: usize) -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder()
        .max_frame_length(largest)
        .new_codec()
}

/// Bytes that a message may have that carries what a plugin may hand over in one call: as JSON, a byte takes six at most.
pub(super) fn largest(limits: &RunLimits) -> usize {
    limits.call_bytes.saturating_mul(6).saturating_add(1 << 20)
}

/// The next message; none at the end.
pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u64::from(u32::from_be_bytes(length));
    let mut message = Vec::new();
    from.take(length).read_to_end(&mut message)?;
    if message.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(message))
}

/// The next message as a value; none at the end.
pub(super) fn read_value<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    match read(from)? {
        Some(message) => Ok(Some(serde_json::from_slice(&message)?)),
        None => Ok(None),
    }
}

/// Writes a value as a message.
pub(super) fn write_value(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut message = vec![0; 4];
    serde_json::to_writer(&mut message, value)?;
    let length = u32::try_from(message.len().saturating_sub(4))
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a message of more than 4 GiB"))?;
    if let Some(place) = message.get_mut(..4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    to.write_all(&message)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;
    use tokio_util::codec::{Decoder as _, Encoder as _};

    use super::*;
    use crate::plugin::journal::Blob;

    #[test]
    fn both_sides_have_the_same_frames() {
        let said = Says::Tells(Call::Log(crate::plugin::LogLevel::Warn, "a line".to_owned()));
        let mut written = Vec::new();
        write_value(&mut written, &said).unwrap();
        let mut codec = codec(1_000);
        let message = codec.decode(&mut BytesMut::from(&written[..])).unwrap().unwrap();
        assert_eq!(serde_json::to_vec(&said).unwrap(), message);

        let mut sent = BytesMut::new();
        codec.encode(message.freeze(), &mut sent).unwrap();
        assert_eq!(sent, written);
        let mut from = &sent[..];
        assert!(matches!(
            read_value(&mut from).unwrap(),
            Some(Says::Tells(Call::Log(..)))
        ));
        assert!(read(&mut from).unwrap().is_none());
    }

    #[test]
    fn a_message_that_breaks_off_is_no_message() {
        assert!(read(&mut &[0, 0, 0, 9, b'x'][..]).is_err());
        assert!(read(&mut &[0, 0][..]).unwrap().is_none());
    }

    #[test]
    fn a_message_over_the_limit_is_refused_before_it_is_read() {
        let mut codec = codec(1_000);
        let length = BytesMut::from(&[0xff, 0xff, 0xff, 0xff][..]);
        assert!(codec.decode(&mut length.clone()).is_err());
    }

    proptest! {
        #[test]
        fn what_a_call_hands_over_fits(bytes in proptest::collection::vec(any::<u8>(), 0..3_000)) {
            let limits = RunLimits { call_bytes: bytes.len(), ..RunLimits::default() };
            let said = Says::Calls {
                number: u64::MAX,
                computed: Duration::MAX,
                call: Call::PutPart(Blob::from(bytes.clone())),
            };
            let mut written = Vec::new();
            write_value(&mut written, &said).unwrap();
            prop_assert!(written.len() <= largest(&limits));
            let Some(Says::Calls { call: Call::PutPart(part), .. }) = read_value(&mut &written[..]).unwrap() else {
                return Err(TestCaseError::fail("another message"));
            };
            prop_assert_eq!(part.0, bytes);
        }
    }
}
