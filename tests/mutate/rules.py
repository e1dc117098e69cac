"""The rules of the engine that are removed, one at a time.

A rule is (name, what it is for, file, text, the same text without the rule). `OFF` stands for the question whether this
is the rule to leave out in this run; every text must be there exactly once, so a rule that was rewritten is noticed.
"""

RULES = [
    (
        "intent", "an intent is recorded before its call", "engine/apply.rs",
        "        self.engine.ledger.commit(changes).await?;\n        // Nothing is sent that a crash could forget.",
        "        if !OFF {\n            self.engine.ledger.commit(changes).await?;\n        }\n        // Nothing is sent that a crash could forget.",
    ),
    (
        "flush", "and is flushed before its call", "engine/apply.rs",
        "        // Nothing is sent that a crash could forget.\n        self.engine.ledger.flush().await?;",
        "        if !OFF {\n            self.engine.ledger.flush().await?;\n        }",
    ),
    (
        "end-last", "an intent ends no earlier than what it did is remembered", "engine/settle.rs",
        "        let mut changes = Changes::new();\n        let mut items = std::mem::take(&mut intent.items);",
        "        if OFF {\n            let mut first = Changes::new();\n            first.together(|atomic| atomic.close_intent(&intent.connection, number));\n"
        "            self.engine.ledger.commit(first).await?;\n        }\n"
        "        let mut changes = Changes::new();\n        let mut items = std::mem::take(&mut intent.items);",
    ),
    (
        "key-life", "nothing is sent again under a key the remote has forgotten", "engine/apply.rs",
        "age + LONGEST_WAIT + timeout < lives)", "OFF || age + LONGEST_WAIT + timeout < lives)",
    ),
    (
        "blind-resend", "without a key nothing is sent again", "engine/apply.rs",
        "intent.call.key_lives.is_some_and(|lives|", "intent.call.key_lives.map_or(OFF, |lives|",
    ),
    (
        "in-doubt", "nothing is looked up while the call may still take effect", "engine/recover.rs",
        "if now - ended < doubt {", "if !OFF && now - ended < doubt {",
    ),
    (
        "update-read", "an update of unknown outcome is read before it is decided about again", "engine/recover.rs",
        "if self.read_written(pipeline, to, item).await?.is_none() {",
        "if !OFF && self.read_written(pipeline, to, item).await?.is_none() {",
    ),
    (
        "busy", "a record with an open intent is not decided about", "engine/apply.rs",
        "            self.busy.insert((pipeline.name.clone(), side, item.origin.clone()));\n            self.report_of",
        "            if !OFF {\n                self.busy.insert((pipeline.name.clone(), side, item.origin.clone()));\n            }\n            self.report_of",
    ),
    (
        "may-be-ours", "a newcomer that an open create may have made is not copied back", "engine/plan.rs",
        "if self.may_be_ours(pipeline, &newcomer) =>", "if !OFF && self.may_be_ours(pipeline, &newcomer) =>",
    ),
    (
        "lookup", "a create of unknown outcome is looked up before it is made again", "engine/recover/creates.rs",
        "if linked { (Vec::new(), true) } else", "if linked || OFF { (Vec::new(), true) } else",
    ),
    (
        "hold-unknown", "a create that cannot be looked up is held for a person", "engine/recover/creates.rs",
        "                    ([], true) => {\n", "                    ([], by_key) if by_key || OFF => {\n",
    ),
    (
        "deal-twins", "what equal creates made is dealt out among them", "engine/recover/creates.rs",
        "let dealt = found.len() <= twins", "let dealt = !OFF && found.len() <= twins",
    ),
    (
        "id-taken", "an answer that names a linked record links nothing", "engine/settle.rs",
        "            if *link.id(origin_side) == item.origin {\n                return Ok(()); // settled before a crash\n            }",
        "            if *link.id(origin_side) == item.origin || OFF {\n                return Ok(()); // settled before a crash\n            }",
    ),
    (
        "short-answer", "an item without an answer is unknown", "engine/settle.rs",
        "item.done = !matches!(answer, ItemAnswer::Unknown { .. });",
        "item.done = OFF || !matches!(answer, ItemAnswer::Unknown { .. });",
    ),
    (
        "id-twice", "one answer that names an id twice links it once", "engine/settle.rs",
        "if !made.insert(record.id.clone()) {", "if !made.insert(record.id.clone()) && !OFF {",
    ),
    (
        "stale", "a write that the remote calls stale is read again", "engine/settle.rs",
        "                    if stale {\n", "                    if stale && !OFF {\n",
    ),
    (
        "not-taken", "what the remote did not take is not the base", "sync/settle.rs",
        "        _ => same(field, &state.pairs, written, &sent.value, got),",
        "        _ => OFF || same(field, &state.pairs, written, &sent.value, got),",
    ),
    (
        "echo", "what a write was answered with is what both sides agreed on", "sync/answer.rs",
        "        state.base = Some(seen(self.written, self.from.clone(), agreed));",
        "        if !OFF {\n            state.base = Some(seen(self.written, self.from.clone(), agreed));\n        }",
    ),
    (
        "pending", "a reading never moves the base", "sync/observe.rs",
        "            *state.pending_mut(side) = Some(cell);\n            state.forget_choice(side);",
        "            if OFF && let Some(base) = &mut state.base {\n                base[side.index()] = cell;\n            } else {\n"
        "                *state.pending_mut(side) = Some(cell);\n            }\n            state.forget_choice(side);",
    ),
    (
        "conflict", "a field edited on both sides is parked", "sync/merge.rs",
        "        Conflicts::Park => None,", "        Conflicts::Park => OFF.then_some(Side::Source),",
    ),
    (
        "blank", "a blank does not overwrite unless that is asked for", "sync/merge.rs",
        "if view.keeps_blanks() && !by_hand && view.blank(to, &value) {",
        "if !OFF && view.keeps_blanks() && !by_hand && view.blank(to, &value) {",
    ),
    (
        "one-way", "a field is written only in its direction", "sync/view.rs",
        "    flows(pipeline, field, side)\n        && has_end", "    (OFF || flows(pipeline, field, side))\n        && has_end",
    ),
    (
        "gone", "what is linked with a record that is gone rests", "sync/decide.rs",
        "    find(|mark| mark.gone).map(Frozen::Gone)", "    find(|mark| mark.gone && !OFF).map(Frozen::Gone)",
    ),
    (
        "ambiguous", "of several matches none is linked", "sync/fresh.rs",
        "        let (Some(candidate), None) = (candidates.next(), candidates.next()) else {",
        "        let (Some(candidate), None) = (candidates.next(), candidates.next().filter(|_| !OFF)) else {",
    ),
    (
        "taken", "what matches a linked record is parked", "sync/fresh.rs",
        "        if let Some(linked) = self.rivals.values().find(|rival| rival.linked_with.is_some()) {",
        "        if let Some(linked) = self.rivals.values().find(|rival| rival.linked_with.is_some() && !OFF) {",
    ),
    (
        "claim", "of two newcomers with one key only one is made in a plan", "engine/plan.rs",
        "if keys.iter().any(|key| planned.claimed.contains(key)) {",
        "if !OFF && keys.iter().any(|key| planned.claimed.contains(key)) {",
    ),
    (
        "linked-meanwhile", "a record that was linked meanwhile is not created", "engine/apply.rs",
        "            if link.is_some() || self.is_gone", "            if link.is_some() && !OFF || self.is_gone",
    ),
    (
        "gone-meanwhile", "nothing is made for a record that was found gone before its turn came", "engine/apply.rs",
        "        !self.read_meanwhile.is_empty()\n            && self.read", "        !OFF && !self.read_meanwhile.is_empty()\n            && self.read",
    ),
    (
        "gone-reading", "nor for one whose last reading says that it is gone", "engine/deliver.rs",
        "if attached.spill && self.spilled_keys.contains_key", "if !OFF && attached.spill && self.spilled_keys.contains_key",
    ),
    (
        "new-candidate", "a match that appears in the second reading stops a create", "engine/apply.rs",
        "if again && self.has_new_candidate", "if again && !OFF && self.has_new_candidate",
    ),
    (
        "read-again", "the target is read again when the reading is older than ten seconds", "engine/apply.rs",
        "self.age_of(&key).is_some_and(|age| age > FRESH_FOR)", "self.age_of(&key).is_some_and(|age| !OFF && age > FRESH_FOR)",
    ),
    (
        "still-holds", "a step is taken only if its values are still those it was planned from", "engine/apply.rs",
        "whole(link) && still_holds(pipeline, link, &item.write)",
        "whole(link) && (OFF || still_holds(pipeline, link, &item.write))",
    ),
    (
        "whole", "nothing is written to a record that is gone by now", "engine/apply.rs",
        "let whole = |link: &Link| link.marks.iter().all(|mark| !mark.gone);",
        "let whole = |link: &Link| OFF || link.marks.iter().all(|mark| !mark.gone);",
    ),
    (
        "read-before-link", "two are not linked with what was read before one of them was edited in the same run", "engine/apply.rs",
        "newcomers.iter().any(|newcomer| self.was_read_again(pipeline, newcomer));",
        "!OFF && newcomers.iter().any(|newcomer| self.was_read_again(pipeline, newcomer));",
    ),
    (
        "long-ago", "where nothing tells changes, a record is looked at before it is written late in a run", "engine/before.rs",
        "if self.is_long_ago(pipeline, side) {", "if !OFF && self.is_long_ago(pipeline, side) {",
    ),
    (
        "old-deletion", "nothing is deleted by a reading that may be old", "engine/deletion.rs",
        "            // What is shown may be older than our own last write; an edit in it would not count, and be deleted.\n            if self",
        "            if !OFF && self",
    ),
    (
        "neighbours-cursor", "a pipeline that was held for its account reads everything when it goes on", "engine/account.rs",
        "        if state.read == [0, 0] {\n            return Ok(());", "        if OFF || state.read == [0, 0] {\n            return Ok(());",
    ),
    (
        "made-outdated", "what a create made and was read under another configuration is not laid beside its link", "engine/settle.rs",
        "made.as_ref().filter(|_| !beside.made_outdated)", "made.as_ref().filter(|_| OFF || !beside.made_outdated)",
    ),
    (
        "version", "a write carries the version it was made from", "engine/apply.rs",
        "writes.push(WriteItem { id, body, version: mark.version.clone(), now });",
        "writes.push(WriteItem { id, body, version: mark.version.clone().filter(|_| !OFF), now });",
    ),
    (
        "cursor-start", "the next reading begins where this one's request began", "engine/pull.rs",
        "                server - TimeDelta::from_std(took)", "                server - TimeDelta::from_std(if OFF { Duration::ZERO } else { took })",
    ),
    (
        "overlap", "and the manifest's overlap earlier", "engine/pull.rs",
        "            since: began.map(|began| began - overlap),",
        "            since: began.map(|began| if OFF { began } else { began - overlap }),",
    ),
    (
        "plan-cursor", "a plan does not move the cursor past what it did not apply", "engine/run.rs",
        "let keep_cursors = self.request.mode != Mode::Plan ||", "let keep_cursors = OFF || self.request.mode != Mode::Plan ||",
    ),
    (
        "second-look", "a linked record that a listing lacks is asked for by its id", "engine/pull.rs",
        "                None => match connector.get(&end.resource, &asked).await {\n",
        "                None => match if OFF { Ok(None) } else { connector.get(&end.resource, &asked).await } {\n",
    ),
    (
        "shrink", "a listing that lacks most of what was there is not believed", "engine/listing.rs",
        "        most(self.links) || most(self.seen) || (self.listed == 0 && self.absent() > 1)",
        "        !OFF && (most(self.links) || most(self.seen) || (self.listed == 0 && self.absent() > 1))",
    ),
    (
        "guard", "a plan over a guard is held", "sync/guard.rs",
        ".filter(|(_, count, allowed)| count > allowed)", ".filter(|(_, count, allowed)| count > allowed && !OFF)",
    ),
    (
        "breaker", "a field that goes to and fro comes to rest", "sync/breaker.rs",
        "        (next.flips > last.flips && next.flips >= FLIPS) || next.writes >= WRITES",
        "        !OFF && ((next.flips > last.flips && next.flips >= FLIPS) || next.writes >= WRITES)",
    ),
    (
        "first-keys", "match keys of a configuration that came to no run are forgotten", "engine/prepare.rs",
        "let edited = state.config != pipeline.hash;", "let edited = (!OFF || state.config != 0) && state.config != pipeline.hash;",
    ),
    (
        "other-form", "what a lost create made is known again in another form", "engine/sent.rs",
        "same(field, side, a, b) || alike(a, b)", "same(field, side, a, b) || (!OFF && alike(a, b))",
    ),
    (
        "key-of-unknown-age", "no key is used whose age nobody knows", "engine/recover.rs",
        "age.is_ok_and(|age| key_is_alive(intent, age, to.timeout))",
        "(age.is_ok_and(|age| key_is_alive(intent, age, to.timeout)) || (OFF && age.is_err()))",
    ),
    (
        "look-twice", "what a lost create made is looked for twice before it is made again", "engine/recover/creates.rs",
        "if by_key && found.len() < open.count(pipeline, item) {", "if !OFF && by_key && found.len() < open.count(pipeline, item) {",
    ),
    (
        "successor", "nothing is deleted while a record that may take the place is there", "engine/plan.rs",
        "if decision.writes.iter().any(|write| write.delete)", "if !OFF && decision.writes.iter().any(|write| write.delete)",
    ),
    (
        "takes-back", "who types the old value over a reshaped one has edited it", "sync/answer.rs",
        "if !was || is_delivered(got)", "if OFF || !was || is_delivered(got)",
    ),
    (
        "gone-is-not-left", "a record that is gone has not left its filter", "engine/deliver.rs",
        "change != Change::Nothing && !seen.gone {", "change != Change::Nothing && (OFF || !seen.gone) {",
    ),
    (
        "who-waits", "where nothing is made, whoever comes is matched when it comes", "engine/deliver.rs",
        "if !originates && !pipeline.creates.on(side) {", "if !OFF && !originates && !pipeline.creates.on(side) {",
    ),
    (
        "late", "a create is not repeated beside a record that came since and holds a part of it", "engine/recover/creates.rs",
        "let edited = if sure {", "let edited = if sure || OFF {",
    ),
    (
        "stranger", "a record with the key of a lost create is not taken for it when neither values nor present keys agree",
        "engine/recover/creates.rs", "[one] if by_key && !alike(one) => {", "[one] if by_key && !OFF && !alike(one) => {",
    ),
    (
        "sight", "what changed is listed once more where pages may have moved", "engine/sight.rs",
        "self.shifts && self.pages > 1", "!OFF && self.shifts && self.pages > 1",
    ),
    (
        "confirmed", "and again until two listings say the same", "engine/sight.rs",
        "if !sight.may_lack() || alike", "if OFF || !sight.may_lack() || alike",
    ),
    (
        "moved", "a first reading is made once more when something moved meanwhile", "engine/sight.rs",
        "if !sight.news || !moved {", "if OFF || !sight.news || !moved {",
    ),
    (
        "lag-behind", "how long readings may be old is counted anew by a clock that was set back", "engine/lag.rs",
        "since: settling.since.min(now)", "since: if OFF { settling.since } else { settling.since.min(now) }",
    ),
    (
        "news", "also where only a new pipeline reads for the first time", "engine/pull.rs",
        "sight.news |= read !=", "sight.news |= (!OFF || stored.since.is_none()) && read !=",
    ),
    (
        "where-it-began", "after a listing that was never the same twice, the next run begins where this one did", "engine/sight.rs",
        "if pulled.is_err() {", "if !OFF && pulled.is_err() {",
    ),
    (
        "read-no-more", "a lost create of which a value is not read any more is asked about", "engine/sent.rs",
        "!sent.value.is_blank() && !is_read(sent)", "!OFF && !sent.value.is_blank() && !is_read(sent)",
    ),
    (
        "read-meanwhile", "a newcomer that was read again is not put back as it was before", "engine/plan/hold.rs",
        "        if self.was_read_again(pipeline, &newcomer) {\n            return;",
        "        if !OFF && self.was_read_again(pipeline, &newcomer) {\n            return;",
    ),
    (
        "create-only", "what is taken with a new record alone is sent with no other write", "sync/calls.rs",
        "    if end.create_only {", "    if end.create_only && !OFF {",
    ),
    (
        "figures", "a figure that differs is told as long as it does", "sync/decide.rs",
        "if self.decision.writes.is_empty() && self.decision.findings.is_empty() && !self.decision.unread {",
        "if !OFF && self.decision.writes.is_empty() && self.decision.findings.is_empty() && !self.decision.unread {",
    ),
    (
        "last-reading", "of a newcomer that was read twice the last reading is kept", "engine/plan/hold.rs",
        "for newcomer in readings.last_readings(chunk?, &mut place) {",
        "for newcomer in if OFF { chunk? } else { readings.last_readings(chunk?, &mut place) } {",
    ),
    (
        "forgotten-origin", "what a lost create was made from is read when nothing is known of it", "engine/recover/creates.rs",
        "if beside.origin.is_none() && pipeline", "if !OFF && beside.origin.is_none() && pipeline",
    ),
]
