//! Intents. A batch holds each value twice, in its exact body and in its items, and is written before every call.

use std::time::Duration;

use super::{Pack, Unfit, Unpack, put_varint};
use crate::{
    config::{ConnectionName, PipelineName},
    connector::{PreparedCall, WriteKind},
    store::{Intent, IntentItem},
};

impl Pack for Intent {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { connection, account, pipeline, config, side, first_sent, unknown_since, call, items } = self;
        connection.pack(to);
        account.pack(to);
        pipeline.pack(to);
        to.extend(config.to_le_bytes());
        side.pack(to);
        first_sent.pack(to);
        unknown_since.pack(to);
        call.pack(to);
        items.pack(to);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Ok(Self {
            connection: Pack::unpack(from)?,
            account: Pack::unpack(from)?,
            pipeline: Pack::unpack(from)?,
            config: from.u64()?,
            side: Pack::unpack(from)?,
            first_sent: Pack::unpack(from)?,
            unknown_since: Pack::unpack(from)?,
            call: Pack::unpack(from)?,
            items: Pack::unpack(from)?,
        })
    }
}

impl Pack for IntentItem {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { origin, label, write, done } = self;
        origin.pack(to);
        label.pack(to);
        write.pack(to);
        done.pack(to);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Ok(Self {
            origin: Pack::unpack(from)?,
            label: Pack::unpack(from)?,
            write: Pack::unpack(from)?,
            done: Pack::unpack(from)?,
        })
    }
}

impl Pack for PreparedCall {
    fn pack(&self, to: &mut Vec<u8>) {
        let Self { resource, kind, method, target, headers, body, ids, key_lives } = self;
        resource.pack(to);
        kind.pack(to);
        method.pack(to);
        target.pack(to);
        headers.pack(to);
        body.pack(to);
        ids.pack(to);
        key_lives.pack(to);
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Ok(Self {
            resource: Pack::unpack(from)?,
            kind: Pack::unpack(from)?,
            method: Pack::unpack(from)?,
            target: Pack::unpack(from)?,
            headers: Pack::unpack(from)?,
            body: Pack::unpack(from)?,
            ids: Pack::unpack(from)?,
            key_lives: Pack::unpack(from)?,
        })
    }
}

impl Pack for WriteKind {
    fn pack(&self, to: &mut Vec<u8>) {
        to.push(match self {
            Self::Create => 0,
            Self::Update => 1,
            Self::Delete => 2,
        });
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Ok(match from.byte()? {
            0 => Self::Create,
            1 => Self::Update,
            2 => Self::Delete,
            _ => return Err(Unfit("it is no kind of write")),
        })
    }
}

/// Seconds, then nanoseconds.
impl Pack for Duration {
    fn pack(&self, to: &mut Vec<u8>) {
        put_varint(to, self.as_secs());
        put_varint(to, self.subsec_nanos().into());
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        let (seconds, nanos) = (from.varint()?, from.varint()?);
        let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
        nanos.map(|nanos| Self::new(seconds, nanos)).ok_or(Unfit("a time in it is none"))
    }
}

impl Pack for ConnectionName {
    fn pack(&self, to: &mut Vec<u8>) {
        super::put_text(to, self.as_str());
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Self::parse(from.text()?).map_err(|_| Unfit("a name in it is none"))
    }
}

impl Pack for PipelineName {
    fn pack(&self, to: &mut Vec<u8>) {
        super::put_text(to, self.as_str());
    }

    fn unpack(from: &mut Unpack<'_>) -> Result<Self, Unfit> {
        Self::parse(from.text()?).map_err(|_| Unfit("a name in it is none"))
    }
}
