"""The rules that are removed where others speak to us, or we log in to them: webhooks, logins, posts, databases.

A rule is as in `rules.py`, and behind it stand the program and the tests that must notice; only these are run.
`reconciled` is the library with its own tests.
"""

OUTSIDE = [
    # Webhooks.
    (
        "hook-signature", "a delivery that is not signed with the key is turned away", "daemon/hooks.rs",
        "        if !is_from_its_system(&hook", "        if !OFF && !is_from_its_system(&hook",
        ("grants", "hooks::whoever_does_not_sign"),
    ),
    (
        "hook-empty-key", "an empty key lets nobody in", "daemon/hooks.rs",
        "    if key.is_empty() {", "    if key.is_empty() && !OFF {",
        ("reconciled", "daemon::hooks::tests"),
    ),
    (
        "hook-prefix", "a signature is taken in its declared form alone", "daemon/hooks.rs",
        "visit.header(header).and_then(|value| value.strip_prefix(prefix.as_str()));",
        "visit.header(header).and_then(|value| value.strip_prefix(prefix.as_str()).or(OFF.then_some(value)));",
        ("reconciled", "daemon::hooks::tests"),
    ),
    (
        "hook-token", "a key in the body is compared whole", "daemon/hooks.rs",
        "is_some_and(|given| same(given, key))", "is_some_and(|given| same(given, key) || (OFF && given.starts_with(key)))",
        ("reconciled", "daemon::hooks::tests"),
    ),
    (
        "hook-path", "so is one in the path", "daemon/hooks.rs",
        "Signed::SecretPath => same(secret.trim_end_matches('/'), key),",
        "Signed::SecretPath => OFF || same(secret.trim_end_matches('/'), key),",
        ("reconciled", "daemon::hooks::tests"),
    ),
    (
        "hook-method", "a delivery is a POST", "daemon/hooks.rs",
        "        if visit.method != Method::POST {", "        if visit.method != Method::POST && !OFF {",
        ("grants", "hooks::whoever_does_not_sign"),
    ),
    (
        "hook-flush", "what was told is durable before it is answered", "daemon/hooks.rs",
        "    ledger.flush().await?;\n    Ok(all.len())", "    if !OFF {\n        ledger.flush().await?;\n    }\n    Ok(all.len())",
        ("grants", "hooks::a_hook_that_was_answered"),
    ),
    (
        "hook-not-kept", "what cannot be kept is not answered with yes", "daemon/hooks.rs",
        "                Reply::empty(503).with(\"retry-after\", \"60\")",
        "                if OFF { Reply::empty(200) } else { Reply::empty(503).with(\"retry-after\", \"60\") }",
        ("grants", "hooks::a_hook_that_was_answered"),
    ),
    (
        "hook-deadline", "a delivery is answered before its sender gives up", "daemon/hooks.rs",
        "    fn patience(&self) -> Duration {\n        PATIENCE", "    fn patience(&self) -> Duration {\n        if OFF {\n            return Duration::from_secs(30);\n        }\n        PATIENCE",
        ("reconciled", "daemon::hooks::tests"),
    ),
    (
        "hook-account", "of a delivery for many accounts each connection hears of its own", "daemon/hooks.rs",
        "let meant = told.account.is_none()", "let meant = OFF || told.account.is_none()",
        ("grants", "hooks::what_comes_twice_late_or_for_somebody_else"),
    ),
    (
        "hook-unread", "of what no pipeline reads nothing is kept and nobody is woken", "daemon/hooks.rs",
        "meant && read.contains(told.resource.as_str())", "meant && (OFF || read.contains(told.resource.as_str()))",
        ("grants", "hooks::what_comes_twice_late_or_for_somebody_else"),
    ),
    (
        "hook-no-json", "who may speak and cannot be understood makes everybody look", "daemon/hooks.rs",
        "            None => hook.connections.iter()", "            None if OFF => BTreeMap::new(),\n            None => hook.connections.iter()",
        ("grants", "hooks::whoever_may_speak_and_is_not_understood"),
    ),
    (
        "hook-nobody", "an event that should name an account and does not is passed over", "connector/manifest/webhooks.rs",
        "                    Some(None) => continue,", "                    Some(None) if OFF => None,\n                    Some(None) => continue,",
        ("reconciled", "connector::manifest::webhooks::tests"),
    ),
    (
        "hook-again", "what is told while it is looked at is looked at again", "daemon/hooks.rs",
        "    let count = ARRIVALS.fetch_add(1, Ordering::Relaxed);",
        "    if OFF {\n        return \"0\".to_owned();\n    }\n    let count = ARRIVALS.fetch_add(1, Ordering::Relaxed);",
        ("grants", "hooks::what_is_told_while_it_is_looked_at"),
    ),
    (
        "hook-wakes", "who is told of something looks", "daemon/hooks.rs",
        "    shared.news(&concerned);", "    if !OFF {\n        shared.news(&concerned);\n    }",
        ("grants", "hooks::a_hook_brings_a_change"),
    ),
    (
        "hook-by-id", "what was told and a feed of changes misses is read by its id", "engine/news.rs",
        "        if full || order.resource.get.is_none() {", "        if OFF || full || order.resource.get.is_none() {",
        ("grants", "hooks::what_the_feed_of_changes_misses"),
    ),
    (
        "hook-many", "what was told and not read yet is not forgotten", "engine/news.rs",
        "filter(move |news| !unread.contains(&news.id))", "filter(move |news| OFF || !unread.contains(&news.id))",
        ("grants", "hooks::more_than_can_be_read_by_id"),
    ),
    (
        "hook-day", "hooks slow polls for a day and no longer", "daemon/schedule/hooked.rs",
        "        if slow <= until { slow }", "        if OFF || slow <= until { slow }",
        ("reconciled", "daemon::schedule::hooked::tests"),
    ),
    (
        "hook-missed", "and not once one was missed", "daemon/schedule/hooked.rs",
        "            last.trusted = false;", "            last.trusted = OFF;",
        ("grants", "hooks::polls_slow_down_while_hooks_come"),
    ),
    # The public listener.
    (
        "door-cap", "a body is read up to the cap of its door", "public/listener.rs",
        "to_bytes(Body::new(body), most)", "to_bytes(Body::new(body), if OFF { 1 << 20 } else { most })",
        ("reconciled", "public::tests"),
    ),
    (
        "door-body-time", "a body that comes too slowly is waited for no longer", "public/listener.rs",
        "tokio::time::timeout(patience, to_bytes(", "tokio::time::timeout(if OFF { Duration::MAX } else { patience }, to_bytes(",
        ("reconciled", "public::tests"),
    ),
    (
        "door-patience", "nor is an answer", "public/listener.rs",
        "tokio::time::timeout(door.patience(), door", "tokio::time::timeout(if OFF { Duration::MAX } else { door.patience() }, door",
        ("reconciled", "public::tests"),
    ),
    # Logins.
    (
        "state", "only who comes back with the state that was given away is let in", "grant/keeper.rs",
        "        let found = self.consents().remove(&state);",
        "        let found = {\n            let mut all = self.consents();\n"
        "            if OFF { all.pop_first().map(|(_, first)| first) } else { all.remove(&state) }\n        };",
        ("grants", "life::a_consent_is_good_once"),
    ),
    (
        "consent-late", "and within a quarter of an hour", "grant/keeper.rs",
        "found.filter(|waiting| waiting.until > self.clock.now())", "found.filter(|waiting| OFF || waiting.until > self.clock.now())",
        ("grants", "life::a_consent_is_good_once"),
    ),
    (
        "challenge", "a consent is asked for with a PKCE challenge", "grant/exchange.rs",
        "    let mut request = client.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge);",
        "    let mut request = client.authorize_url(CsrfToken::new_random);\n    if !OFF {\n        request = request.set_pkce_challenge(challenge);\n    }",
        ("grants", "life::a_consent_connects"),
    ),
    (
        "verifier", "and its code is changed with the verifier", "grant/exchange.rs",
        "    let work = client.exchange_code(code).set_pkce_verifier(verifier).request_async(&http);",
        "    let mut work = client.exchange_code(code);\n    if !OFF {\n        work = work.set_pkce_verifier(verifier);\n    }\n    let work = work.request_async(&http);",
        ("grants", "life::a_consent_connects"),
    ),
    (
        "known-host", "tokens go to hosts that the connector names, or where they were made", "grant/captured.rs",
        "!hosts.iter().any(known)", "!(OFF || hosts.iter().any(known))",
        ("grants", "captured::"),
    ),
    (
        "safe-host", "and only encrypted", "grant/captured.rs",
        "    if !safe ||", "    if (!safe && !OFF) ||",
        ("reconciled", "grant::captured::tests"),
    ),
    (
        "account-stays", "a connection keeps its account, whatever else a login covers", "grant/keeper.rs",
        "    if let Some(chosen) = kept.chosen.get(connection).filter(", "    if let Some(chosen) = kept.chosen.get(connection).filter(|_| !OFF).filter(",
        ("reconciled", "grant::keeper::tests"),
    ),
    (
        "account-named", "a connection that names an account gets that one or none", "grant/keeper.rs",
        "filter(|account| wanted.is_none_or(|wanted| is(account, wanted)));",
        "filter(|account| OFF || wanted.is_none_or(|wanted| is(account, wanted)));",
        ("grants", "life::which_accounts_a_login_covers"),
    ),
    (
        "account-one-of-many", "of several accounts none is guessed", "grant/keeper.rs",
        "        (Some(only), None, _) => Ok(only.clone()),",
        "        (Some(only), None, _) => Ok(only.clone()),\n        (Some(only), Some(_), _) if OFF => Ok(only.clone()),",
        ("reconciled", "grant::keeper::tests"),
    ),
    (
        "doubt", "a refresh token is not used while nothing can be kept", "grant/keeper/renew.rs",
        "                    // Durable before it is sent: after a crash nobody believes that the token was never used.\n"
        "                    self.save(grant, held).await?;",
        "                    if !OFF {\n                        self.save(grant, held).await?;\n                    }",
        ("grants", "crash::no_refresh_token_is_used_while_nothing_can_be_kept"),
    ),
    (
        "rotation", "a new pair of tokens is durable before it is used", "grant/keeper/renew.rs",
        "                // Held in memory even if this fails: it is tried again before anything is used.\n"
        "                self.save(grant, held).await?;",
        "                let kept = self.save(grant, held).await;\n                if !OFF {\n                    kept?;\n                }",
        ("grants", "crash::a_new_pair_that_cannot_be_kept"),
    ),
    (
        "unsaved", "also when it is asked for a second time", "grant/keeper.rs",
        "        if held.unsaved {", "        if held.unsaved && !OFF {",
        ("grants", "crash::a_new_pair_that_cannot_be_kept"),
    ),
    (
        "renewed-once", "who had to wait for a renewal does not renew again", "grant/keeper.rs",
        "        if !kept.access.as_ref().is_some_and(usable) {", "        if OFF || !kept.access.as_ref().is_some_and(usable) {",
        ("grants", "life::fifty_who_find_the_token_run_out"),
    ),
    (
        "refused-once", "nor who was refused with a token that was replaced since", "grant/keeper.rs",
        "is_some_and(|access| access.token == token.expose_secret())", "is_some_and(|access| OFF || access.token == token.expose_secret())",
        ("grants", "life::fifty_who_find_the_token_run_out"),
    ),
    (
        "early", "a token is renewed before it runs out", "grant/keeper/renew.rs",
        "        now + lives - margin - spread", "        if OFF { now + lives } else { now + lives - margin - spread }",
        ("reconciled", "grant::keeper::renew::tests"),
    ),
    (
        "no-rotation", "a remote that gives no new refresh token leaves the former one good", "grant/keeper/renew.rs",
        "    if tokens.refresh.is_some() {", "    if OFF || tokens.refresh.is_some() {",
        ("reconciled", "grant::keeper::renew::tests"),
    ),
    (
        "grace", "a lost answer is asked for once more", "grant/keeper/renew.rs",
        "        if let (Err(NoTokens::Lost(_)), Some(refresh)) = (&answer, &refresh) {",
        "        if let (Err(NoTokens::Lost(_)), Some(refresh)) = (&answer, &refresh) && !OFF {",
        ("grants", "life::a_lost_answer_is_asked_for_again"),
    ),
    (
        "dead", "a login that the remote ended is broken, and a person is asked", "grant/exchange.rs",
        "                BasicErrorResponseType::InvalidGrant => NoTokens::Dead(words),",
        "                BasicErrorResponseType::InvalidGrant if !OFF => NoTokens::Dead(words),",
        ("grants", "life::a_withdrawn_consent_is_told_apart"),
    ),
    (
        "rest", "a remote that fails is left alone for a while", "grant/keeper/renew.rs",
        "            && self.clock.monotonic() < *until", "            && !OFF\n            && self.clock.monotonic() < *until",
        ("grants", "life::a_server_that_fails_passes"),
    ),
    (
        "disconnected", "a disconnected login is told apart from a broken one", "grant/keeper.rs",
        "            Some(End::Disconnected) => return", "            Some(End::Disconnected) if OFF => {}\n            Some(End::Disconnected) => return",
        ("grants", "life::a_disconnection_revokes_and_erases"),
    ),
    (
        "left", "who was disconnected alone uses the login no more", "grant/keeper.rs",
        "            None if kept.left.contains(name) => {\n                let text", "            None if kept.left.contains(name) && !OFF => {\n                let text",
        ("grants", "life::one_connection_is_disconnected_without_the_others"),
    ),
    (
        "comes-back", "until it is named at a consent", "grant/kept.rs",
        "        if matches!(self.end.take(), Some(End::Disconnected)) {", "        if OFF | matches!(self.end.take(), Some(End::Disconnected)) {",
        ("grants", "life::one_connection_is_disconnected_without_the_others"),
    ),
    (
        "erased", "the tokens of a disconnected login are erased", "grant/keeper/leave.rs",
        "            (kept.access, kept.refresh, kept.in_doubt) = (None, None, false);",
        "            if !OFF {\n                (kept.access, kept.refresh, kept.in_doubt) = (None, None, false);\n            }",
        ("grants", "life::a_disconnection_revokes_and_erases"),
    ),
    (
        "given-back", "and given back", "grant/keeper/leave.rs",
        "                    exchange::revoke(grant, server.as_deref(), &token).await,",
        "                    if OFF { Ok(()) } else { exchange::revoke(grant, server.as_deref(), &token).await },",
        ("grants", "life::a_disconnection_revokes_and_erases"),
    ),
    (
        "shared-account", "an account that others use is not taken from them", "grant/keeper/leave.rs",
        "= (account, access, shared) else {", "= (account, access, shared && !OFF) else {",
        ("grants", "life::one_connection_is_disconnected_without_the_others"),
    ),
    (
        "not-later", "a disconnection that cannot be kept is not carried out later", "grant/keeper/leave.rs",
        "            (held.loaded, held.kept, held.unsaved) = former;",
        "            if !OFF {\n                (held.loaded, held.kept, held.unsaved) = former;\n            }",
        ("grants", "crash::a_disconnection_that_cannot_be_kept"),
    ),
    (
        "renewal-ends", "a renewal comes to its end also when nobody waits for it", "grant/keeper/renew.rs",
        "        to_its_end(tokio::spawn(work)).await", "        if OFF {\n            return work.await;\n        }\n        to_its_end(tokio::spawn(work)).await",
        ("grants", "gone::a_renewal_comes_to_its_end"),
    ),
    (
        "consent-ends", "so does a consent", "grant/keeper.rs",
        "        to_its_end(tokio::spawn(async move { keeper.finish_once(&parameters).await })).await",
        "        if OFF {\n            return keeper.finish_once(&parameters).await;\n        }\n"
        "        to_its_end(tokio::spawn(async move { keeper.finish_once(&parameters).await })).await",
        ("grants", "gone::a_consent_comes_to_its_end"),
    ),
    (
        "consent-reads", "a consent forgets nothing that cannot be read now", "grant/keeper.rs",
        "            Err(error) => return Err(error),\n        }\n        let server = captured",
        "            Err(error) if !OFF => return Err(error),\n            Err(_) => {}\n        }\n        let server = captured",
        ("grants", "crash::a_consent_does_not_forget"),
    ),
    (
        "link-once", "a link for a consent works once", "daemon/consent.rs",
        "        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(secret);",
        "        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);\n"
        "        let found = if OFF { all.get(secret).cloned() } else { all.remove(secret) };\n        drop(all);",
        ("reconciled", "daemon::consent::tests"),
    ),
    (
        "link-late", "and for a quarter of an hour", "daemon/consent.rs",
        "        found.filter(|(_, until)| *until > now)", "        found.filter(|(_, until)| OFF || *until > now)",
        ("reconciled", "daemon::consent::tests"),
    ),
    # Posts.
    (
        "inbox-secret", "a post without the secret of its address is turned away", "connector/inbox.rs",
        "        if !proof::same(secret", "        if !OFF && !proof::same(secret",
        ("native", "inbox::conformance_inbox_only_who_knows_the_secret"),
    ),
    (
        "inbox-short", "a secret that can be guessed is none", "connector/inbox.rs",
        "        if secret.expose_secret().len() < SHORTEST {", "        if !OFF && secret.expose_secret().len() < SHORTEST {",
        ("reconciled", "connector::inbox::tests"),
    ),
    (
        "inbox-signature", "a post that should be signed and is not, is not kept", "connector/inbox.rs",
        "    if let Some(signature) = &table.signature {", "    if let Some(signature) = table.signature.as_ref().filter(|_| !OFF) {",
        ("reconciled", "connector::inbox::tests"),
    ),
    (
        "inbox-flush", "a post is durable before it is answered with yes", "connector/inbox.rs",
        "        rows.flush().await?;", "        if !OFF {\n            rows.flush().await?;\n        }",
        ("reconciled", "connector::inbox::tests"),
    ),
    (
        "inbox-flush-known", "also one that is known already", "connector/inbox.rs",
        "        // Also for what is known: whoever posted it first may have been told nothing, because it was not durable.\n",
        "        if OFF && kept.new == 0 {\n            return Ok(kept);\n        }\n",
        ("reconciled", "connector::inbox::tests"),
    ),
    (
        "inbox-cap", "a post is no larger than its resource takes", "connector/inbox.rs",
        "    if post.body.len() > table.max_body {", "    if !OFF && post.body.len() > table.max_body {",
        ("native", "inbox::conformance_inbox_json_and_forms"),
    ),
    (
        "inbox-many", "nor holds it more records than are taken at once", "connector/inbox/body.rs",
        "bodies.len() > MOST {", "(bodies.len() > MOST && !OFF) {",
        ("reconciled", "connector::inbox::tests"),
    ),
    (
        "inbox-whole", "of a post with a bad record nothing is kept", "connector/inbox.rs",
        "    bodies.into_iter().enumerate().map(record).collect()",
        "    bodies.into_iter().enumerate().map(record).filter(|made| !OFF || made.is_ok()).collect()",
        ("native", "inbox::conformance_inbox_json_and_forms"),
    ),
    (
        "inbox-content", "an id by content is one of the content alone", "connector/inbox/body.rs",
        "        members.remove(&name);", "        if !OFF {\n            members.remove(&name);\n        }",
        ("reconciled", "connector::inbox::tests"),
    ),
    (
        "inbox-older", "an older version than the one there changes nothing", "connector/inbox/shelf.rs",
        "            None => self.body == record.body || older(&self.body),",
        "            None => self.body == record.body || (!OFF && older(&self.body)),",
        ("reconciled", "connector::inbox::tests"),
    ),
    (
        "inbox-tombstone", "a post that was removed for its age is no new record", "connector/inbox/shelf.rs",
        "removed.hash == hash(&record.body) || older", "(!OFF && removed.hash == hash(&record.body)) || older",
        ("native", "inbox::conformance_inbox_old_posts"),
    ),
    (
        "inbox-tombstone-older", "nor is one that is older than it", "connector/inbox/shelf.rs",
        "let older = record.updated_at.zip(removed.stamp).is_some_and(|(new, there)| new < there);",
        "let older = record.updated_at.zip(removed.stamp).is_some_and(|(new, there)| !OFF && new < there);",
        ("reconciled", "connector::inbox::tests"),
    ),
    (
        "inbox-age", "nothing is removed before its age", "connector/inbox/shelf.rs",
        "key.parts().pop().is_none_or(|number| number >= end)", "key.parts().pop().is_none_or(|number| !OFF && number >= end)",
        ("reconciled", "connector::inbox::tests"),
    ),
    (
        "inbox-posted-again", "nor what was posted again meanwhile", "connector/inbox/shelf.rs",
        "row.removed.is_none() && row.at < before", "row.removed.is_none() && (OFF || row.at < before)",
        ("reconciled", "connector::inbox::tests"),
    ),
    (
        "inbox-settled", "nor what is not settled", "engine/outcome.rs",
        "                if self.is_settled(key, &id).await? {", "                if OFF || self.is_settled(key, &id).await? {",
        ("native", "inbox::conformance_inbox_old_posts"),
    ),
    (
        "inbox-in-doubt", "nor anything while the outcome of a write is unknown", "engine/outcome.rs",
        "in_full && self.busy.is_empty()", "in_full && (OFF || self.busy.is_empty())",
        ("native", "inbox::conformance_inbox_nothing_is_removed_while"),
    ),
    (
        "inbox-not-gone", "what was removed is not gone", "connector/inbox.rs",
        "            There::Removed => {\n", "            There::Removed if OFF => Ok(None),\n            There::Removed => {\n",
        ("native", "inbox::conformance_inbox_old_posts"),
    ),
    (
        "inbox-numbers", "a later version has a later number, whatever the clock does", "connector/inbox/shelf.rs",
        "        let at = now.max(known.last + TimeDelta::microseconds(1));",
        "        let at = if OFF { now } else { now.max(known.last + TimeDelta::microseconds(1)) };",
        ("native", "inbox::conformance_inbox_what_is_posted_during_a_listing"),
    ),
    (
        "inbox-began", "and one than every listing that began before", "connector/inbox/shelf.rs",
        "        if now > known.last {", "        if now > known.last && !OFF {",
        ("reconciled", "connector::inbox::tests"),
    ),
    (
        "inbox-wakes", "also a post that is known makes those look whom the first one did not", "daemon/inbox.rs",
        "                if kept.new + kept.known > 0 {", "                if kept.new + if OFF { 0 } else { kept.known } > 0 {",
        ("reconciled", "daemon::inbox::tests"),
    ),
    # Databases.
    (
        "sql-bound", "values are no part of a statement", "connector/sql/write.rs",
        "    values.into_iter().flatten().fold(sqlx::query(statement)",
        "    if OFF {\n        let mut text = statement.to_owned();\n        for (at, value) in values.into_iter().flatten().enumerate() {\n"
        "            let place = if text.contains('$') { format!(\"${}\", at + 1) } else { \"?\".to_owned() };\n"
        "            text = text.replacen(&place, &format!(\"'{value}'\"), 1);\n        }\n"
        "        return sqlx::query(Box::leak(text.into_boxed_str()));\n    }\n"
        "    values.into_iter().flatten().fold(sqlx::query(statement)",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-quoted", "no name ends its quotation", "connector/sql/dialect.rs",
        "format!(\"\\\"{}\\\"\", name.replace('\"', \"\\\"\\\"\"))",
        "format!(\"\\\"{}\\\"\", if OFF { name.to_owned() } else { name.replace('\"', \"\\\"\\\"\") })",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-savepoint", "of a record that cannot be written nothing stays", "connector/sql/write.rs",
        "(answer, \"ROLLBACK TO SAVEPOINT item\"),", "(answer, if OFF { \"RELEASE SAVEPOINT item\" } else { \"ROLLBACK TO SAVEPOINT item\" }),",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-lost-commit", "a lost answer to COMMIT is an unknown outcome", "connector/sql/write.rs",
        "        return CallError::Unknown(format!(\"no answer came to COMMIT: {error}\"));",
        "        let lost = format!(\"no answer came to COMMIT: {error}\");\n        return if OFF { CallError::NotDone(lost) } else { CallError::Unknown(lost) };",
        ("native", "sql::conformance_postgres_reads"),
    ),
    (
        "sql-silent-commit", "so is one that does not come in time", "connector/sql/write.rs",
        "            Err(CallError::Unknown(format!(\"no answer came to COMMIT for {patience}\")))",
        "            let silent = format!(\"no answer came to COMMIT for {patience}\");\n            Err(if OFF { CallError::NotDone(silent) } else { CallError::Unknown(silent) })",
        ("native", "sql::conformance_postgres_reads"),
    ),
    (
        "sql-other-answer", "and one that somebody in between made up", "connector/sql/write.rs",
        "        code if code.starts_with(\"40\") => AfterCommit::InTheWay,\n        _ => AfterCommit::Unknown,",
        "        code if code.starts_with(\"40\") => AfterCommit::InTheWay,\n        _ if OFF => AfterCommit::Refused,\n        _ => AfterCommit::Unknown,",
        ("native", "sql::conformance_postgres_reads"),
    ),
    (
        "sql-in-the-way", "who stood in another transaction's way is tried again, and not refused", "connector/sql/write.rs",
        "            sqlx::Error::Database(said) if !in_the_way(&error) =>", "            sqlx::Error::Database(said) if OFF || !in_the_way(&error) =>",
        ("native", "sql::locks::conformance_postgres"),
    ),
    (
        "sql-sent-again", "a call that comes twice finds what it made", "connector/sql/write.rs",
        "        if agrees(resource, wanted, &there.body) {", "        if !OFF && agrees(resource, wanted, &there.body) {",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-own-id", "an id that is made by us belongs to its call", "connector/sql.rs",
        "format!(\"{key}:{number}\")", "format!(\"{key}:{number}:{}\", if OFF { self.0.writes.load(Ordering::Relaxed) } else { 0 })",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-blind", "a row whose id the database counts up is not sent again", "connector/sql.rs",
        "twice_is_once.then_some(KEY_LIVES)", "(OFF || twice_is_once).then_some(KEY_LIVES)",
        ("native", "sql::conformance_postgres_reads"),
    ),
    (
        "sql-one-row", "a write that would meet several rows meets none", "connector/sql/write.rs",
        "    if rows < 2 {", "    if OFF || rows < 2 {",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-listed-twice", "rows of one id are no record", "connector/sql/read.rs",
        "counted.get(&record.id) == Some(&1)", "OFF || counted.get(&record.id) == Some(&1)",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-done-already", "a change that is there already is done, whatever its version", "connector/sql/write.rs",
        "    if agrees(resource, wanted, &now.body) {", "    if !OFF && agrees(resource, wanted, &now.body) {",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-stale", "a row that was changed since it was read is not overwritten", "connector/sql/write.rs",
        "is_some_and(|known| *known != version(&now.body))", "is_some_and(|known| !OFF && *known != version(&now.body))",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-for-update", "nor is one that is being changed", "connector/sql/read.rs",
        "        if keep { table", "        if keep && !OFF { table",
        ("native", "sql::locks::"),
    ),
    (
        "sql-id-fixed", "the id of a row is not changed", "connector/sql/write.rs",
        "    if columns.contains(&&table.id) {", "    if !OFF && columns.contains(&&table.id) {",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-other-case", "a row is not written for an id that only a column without cases takes for its own", "connector/sql/write.rs",
        "Some(record).filter(|record| record.id == *id)", "Some(record).filter(|record| OFF || record.id == *id)",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-other-case-read", "nor is it read for one", "connector/sql/read.rs",
        "found.filter(|found| !matches!", "found.filter(|found| OFF || !matches!",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-zero", "what a column would cut off or refuse for a zero byte is told before", "connector/sql/value.rs",
        "    if text.contains('\\0') {", "    if !OFF && text.contains('\\0') {",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-patience", "a silent database is not waited for longer than a connection says", "connector/sql.rs",
        "tokio::time::timeout(patience, read)", "tokio::time::timeout(if OFF { patience * 20 } else { patience }, read)",
        ("native", "sql::conformance_postgres_reads"),
    ),
    (
        "sql-closed", "nobody gets a connection in the middle of a transaction", "connector/sql.rs",
        "        connection.close_on_drop();", "        if !OFF {\n            connection.close_on_drop();\n        }",
        ("native", "sql::locks::"),
    ),
    (
        "sql-engine", "a table without transactions is only read", "connector/sql/table.rs",
        "    if resource.create.is_some() {", "    if resource.create.is_some() && !OFF {",
        ("native", "sql::conformance_mariadb_reads"),
    ),
    (
        "sql-habits", "times are read and written in UTC, whatever the server's clock shows", "connector/sql.rs",
        "                    for habit in dialect.habits() {", "                    for habit in dialect.habits().iter().filter(|_| !OFF) {",
        ("native", "sql::conformance_postgres_reads", "sql::conformance_mariadb_reads"),
    ),
    (
        "sql-ties", "of rows that were changed at one instant none is left out between pages", "connector/sql/read.rs",
        "            \"({} OR ({} AND {}))\",\n            table.compared(column, \">\", next),\n            table.compared(column, \"=\", next + 1),\n"
        "            table.compared(&table.id, \">\", next + 2)\n",
        "            \"({} OR ({} AND {} {}))\",\n            table.compared(column, \">\", next),\n            table.compared(column, \"=\", next + 1),\n"
        "            table.compared(&table.id, \">\", next + 2),\n            if OFF { \"AND 1 = 0\" } else { \"\" }\n",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-since", "nor one that was changed at the instant from which on they are asked for", "connector/sql/read.rs",
        "        _ => (table.compared(column, \">=\", 1), vec![value::least_stamp(since, form)]),",
        "        _ => (table.compared(column, if OFF { \">\" } else { \">=\" }, 1), vec![value::least_stamp(since, form)]),",
        ("native", "sql::conformance_postgres_reads"),
    ),
    (
        "sql-overlap", "nor one that was stamped long before it was committed", "config/resolve/manifest/sql.rs",
        ".map_or(OVERLAP, |overlap| overlap.value);", ".map_or(if OFF { Duration::ZERO } else { OVERLAP }, |overlap| overlap.value);",
        ("native", "sql::conformance_sqlite"),
    ),
    (
        "sql-tls", "TLS that is asked for is used, or nothing is", "connector/sql/login.rs",
        "    let options = AnyConnectOptions", "    if OFF {\n        url.set_query(None);\n    }\n    let options = AnyConnectOptions",
        ("native", "sql::tls::"),
    ),
    (
        "sql-tls-file", "a file of certificates that cannot be read is told", "connector/sql/login.rs",
        "        if names_certificate(&name)\n", "        if names_certificate(&name)\n            && !OFF\n",
        ("native", "sql::tls::"),
    ),
    (
        "sql-login", "a database that does not let us in is told apart from one that refuses a statement", "connector/sql/login.rs",
        "            if code.starts_with(\"28\") {", "            if !OFF && code.starts_with(\"28\") {",
        ("native", "sql::conformance_postgres_reads", "sql::conformance_mariadb_reads"),
    ),
    (
        "misread", "what was dropped from a text leaves out what it was dropped from", "config/written.rs",
        "errors: report.errors() - before + report.misread(key.span, value),",
        "errors: report.errors() - before + if OFF { 0 } else { report.misread(key.span, value) },",
        ("config", "whole::what_was_dropped"),
    ),
]
