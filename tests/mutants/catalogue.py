"""The mutants, by the rule that each takes out.

Never here: how they are made and killed.
"""

from tests.mutants.mutant import Edit, Mutant, calm, loss, swap

ELECTION, TERMS, NODE, TIMING, HANDOFF = "election.py", "terms.py", "node.py", "timing.py", "handoff.py"
RUNNER, ORIGIN, OFFERS = (f"coordination/{name}.py" for name in ("runner", "origin", "offers"))

OF_TERMS = (
    swap(
        "fence off",
        ELECTION,
        "return [] if self.obeys(sender, term) else [Send(sender, self.fenced())]",
        "return []",
    ),
    swap(
        "any term of the leader is obeyed",
        ELECTION,
        "if term != self.term or sender != term.leader:",
        "if sender != term.leader:",
    ),
    swap(
        "a claim is revealed before it is on disk",
        ELECTION,
        "return [*self._terms.claim(), *self._send_heartbeats(now_s, membership)]",
        "claimed = self._terms.claim()\n        return [*self._send_heartbeats(now_s, membership), *claimed]",
    ),
    swap(
        "an accepted term is not remembered",
        TERMS,
        "return [*raised, Remember(ACCEPTED_KEY, msgspec.json.encode(term))]",
        "return raised",
    ),
    swap(
        "the accepted term is not recalled",
        TERMS,
        "self.accepted = None if accepted is None else msgspec.json.decode(accepted, type=Term)",
        "self.accepted = None",
    ),
    Mutant(
        "no boot nonce in a term",
        (
            Edit(TERMS, "Term(self.highest + 1, self._me, self._boot)", 'Term(self.highest + 1, self._me, "")'),
            Edit(
                "membership.py",
                "return term if heartbeat.leading and term is not None and term.boot == heartbeat.boot else None",
                "return term if heartbeat.leading else None",
            ),
        ),
    ),
    swap(
        "terms are compared by their counters alone",
        TERMS,
        "return self.accepted is None or term > self.accepted",
        "return self.accepted is None or (term != self.accepted and term.counter >= self.accepted.counter)",
    ),
    swap("gap rule off", TIMING, "return gap_s > GAP_INTERVALS * interval_s", "return False"),
)

OF_ELECTION = (
    swap(
        "orphan rule off",
        ELECTION,
        "return [] if heartbeat.following else self._become_leader(now_s, membership)",
        "return []",
    ),
    swap(
        "no leader yields to another",
        ELECTION,
        "return (followers, self.rank) > (heartbeat.followers, rank_of(rival, heartbeat.profile))",
        "return True",
    ),
    swap(
        "one's own interval counts, not the sender's",
        ELECTION,
        "if now_s - self._heard_leader_s > silence_s(state.interval_s, membership.patience(now_s)):",
        "if now_s - self._heard_leader_s > silence_s(self.interval_s, membership.patience(now_s)):",
    ),
    swap("a leader is given up late", TIMING, "SILENCE_INTERVALS = 3.5", "SILENCE_INTERVALS = 9.0"),
    Mutant(
        "any heartbeat keeps a leader alive",
        (
            Edit(
                ELECTION,
                "return self._become_candidate(now_s, membership) if sender == self.leader else []",
                "return []",
            ),
            Edit(ELECTION, "if now_s - self._heard_leader_s > silence_s(", "if now_s - state.heard_s > silence_s("),
        ),
    ),
    calm("stagger off", TIMING, "return STAGGER_S * better_ranked", "return 0.0"),
    calm(
        "majority not needed",
        "candidacy.py",
        "return 2 * (len(self.granted & living) + 1) > len(living) + 1",
        "return True",
    ),
    swap(
        "candidate doesn't yield",
        ELECTION,
        "            self._back_off(now_s, membership)\n        return [Send(sender, PreclaimAnswer",
        "        return [Send(sender, PreclaimAnswer",
    ),
    swap(
        "leave is given to everyone",
        "candidacy.py",
        "if self.candidate is None or now_s - self.given_s >= interval_s:",
        "if True:",
    ),
    swap(
        "leave is given once for ever",
        "candidacy.py",
        "if self.candidate is None or now_s - self.given_s >= interval_s:",
        "if self.candidate is None:",
    ),
    calm(
        "a silent leader's no is not heard",
        ELECTION,
        "        if sender == candidacy.silent_leader:\n            self._back_off(now_s, membership)\n",
        "",
    ),
    calm("a joiner doesn't listen", TIMING, "return JOIN_INTERVALS * interval_s", "return 0.0"),
    calm(
        "the highest counter told of is adopted",
        TERMS,
        "return sorted(reported)[-2:][0] if reported else 0",
        "return max(reported, default=0)",
    ),
    calm("counters may leap", TERMS, "return counter <= self._believed_max", "return True"),
    calm(
        "old heartbeats count",
        "membership.py",
        "if heartbeat.sequence <= known.heartbeat.sequence or known.ended is Status.LEFT:",
        "if known.ended is Status.LEFT:",
    ),
    calm(
        "a process known to be gone is waited for",
        ELECTION,
        "if state is None or state.ended is not None:",
        "if state is None:",
    ),
)

OF_REQUESTS = (
    swap(
        "a request is announced before it is on disk",
        ORIGIN,
        "            Remember(PREFIX + request.id, msgspec.json.encode(request)),\n",
        "",
    ),
    swap(
        "a request is announced once",
        ORIGIN,
        "elif entry.announced != (leader, term) or now_s >= entry.repeat_s:",
        "elif entry.announced != (leader, term):",
    ),
    swap("a silent runner is waited for", ORIGIN, "RUNNER_SILENCE_S = 10.0", "RUNNER_SILENCE_S = 1e9"),
    swap("a failed request is given up", ORIGIN, "if can_run and entry.runner != self._me:", "if False:"),
    swap("a broken run is not tried again", RUNNER, "TRIES_MAX = 3", "TRIES_MAX = 1"),
    swap("lease ignored", RUNNER, "if now_s > part.lease_until_s]", "if False]"),
    swap(
        "a plan is told once",
        OFFERS,
        "return self._tell(group, only=request) if group is not None and group.told else []",
        "return []",
    ),
    swap("offers never lapse", OFFERS, "if group.answer_by_s is not None and now_s > group.answer_by_s:", "if False:"),
    swap("leader keeps its books over a term", NODE, "            self._leader.resign()\n", ""),
    swap(
        "withdrawn request planned",
        "coordination/leader.py",
        "                del waiting[request]\n",
        "                pass\n",
    ),
)

OF_RESULTS = (
    swap(
        "neither attempt nor executor compared",
        RUNNER,
        "if part.executor != sender or part.group != begin.group or part.attempt != begin.attempt:",
        "if part.group != begin.group:",
    ),
    swap(
        "shared steps go on from an unverified checkpoint",
        "coordination/executor.py",
        "if hashlib.sha256(event.data).hexdigest() != share.offer.beginning.cached:",
        "if False:",
    ),
    swap(
        "anybody may ask to stand by",
        NODE,
        "return self._election.fence(sender, message.offer.attempt.term) or self._standby.asked(message, now_s)",
        "return self._standby.asked(message, now_s)",
    ),
    swap("digest not verified", HANDOFF, "if hashlib.sha256(data).digest() != taking.begin.digest:", "if False:"),
    swap(
        "bind not remembered",
        RUNNER,
        "return [Remember(PREFIX + request, digest.encode()), self._denoise(part)]",
        "return [self._denoise(part)]",
    ),
    swap(
        "steps run before their bind is on disk",
        RUNNER,
        "return [Remember(PREFIX + request, digest.encode()), self._denoise(part)]",
        "return [self._denoise(part), Remember(PREFIX + request, digest.encode())]",
    ),
    swap(
        "bound part replaced by a plan",
        RUNNER,
        "if known is not None and (known.bound or plan.attempt <= known.attempt):",
        "if known is not None and plan.attempt <= known.attempt:",
    ),
    swap(
        "a group's seed is not its members'",
        "coordination/groups.py",
        "call=msgspec.structs.replace(request.call, seed=group.seed if shares else request.call.seed),",
        "call=request.call,",
    ),
    Mutant(
        "result delivered twice",
        (
            Edit(
                ORIGIN,
                "if entry is None or entry.delivering:\n            return []\n        entry.delivering = True",
                "if entry is None:\n            return []\n        entry.delivering = True",
            ),
            Edit(HANDOFF, "if key in self._done:", "if False:"),
        ),
    ),
    swap(
        "a request is never closed",
        ORIGIN,
        "entry = self._open.pop(event.request, None)",
        "entry = self._open.get(event.request)",
    ),
)

OF_LOSSES = (
    swap(
        "a half goes on with another seed",
        ORIGIN,
        "call = msgspec.structs.replace(request.call, seed=half.seed)",
        "call = request.call",
    ),
    loss(
        "a runner doesn't wait for what was run before",
        RUNNER,
        "nothing_comes = plan.shared_steps == plan.begun == 0",
        "nothing_comes = plan.shared_steps == 0",
    ),
    loss(
        "a spare behind another is lost",
        "coordination/spares.py",
        "            self.next = spare\n",
        "",
    ),
    loss(
        "a request waits for its named group again",
        ORIGIN,
        "if not entry.request.wait_ms:",
        "if True:",
    ),
    loss(
        "no standby is handed a branch's beginning",
        "coordination/share.py",
        "if receiver.standby:",
        "if False:",
    ),
    loss(
        "what came before a branch counts as its own run",
        "coordination/executor.py",
        "resumes=spare.of_its_run)",
        "resumes=True)",
    ),
    loss(
        "who missed its executor gives up once it is gone",
        RUNNER,
        "if (not _may_be_resumed(part) if part.bereft else peer == part.executor)]",
        "if peer == part.executor or (part.bereft and not _may_be_resumed(part))]",
    ),
    loss(
        "what was run for another is run again",
        RUNNER,
        "if group != plan.group or plan.attempt <= attempt:",
        "if True:",
    ),
    loss(
        "a branch's executor gives up what is silent before it",
        "coordination/executor.py",
        "if share.missed:\n",
        "if True:\n",
    ),
    loss(
        "branches of an earlier leader are forgotten",
        "coordination/rescues.py",
        "elsewhere=_branches(offer)",
        "elsewhere=()",
    ),
    loss(
        "a branch that waits in vain says nothing",
        "coordination/executor.py",
        "if share.missed and share.phase is Phase.AWAITING and leader is not None:",
        "if False:",
    ),
    loss(
        "a new leader has branches begin with noise",
        "coordination/groups.py",
        "earlier = group.run.beginning if group.run is not None and group.start else None",
        "earlier = None",
    ),
    loss(
        "a spare that overtakes its offer is refused",
        NODE,
        'case "branch" | "spare" if self._standby.is_early(begin) and not self._executor.knows(begin.group):',
        'case "branch" if False:',
        first=1885,
    ),
    loss(
        "a plan counts on whoever went while it was made",
        "coordination/leader.py",
        "_without_lost(draft, living) for draft",
        "draft for draft",
        first=1207,
    ),
    loss(
        "a standby takes a beginning from beyond it",
        "coordination/standby.py",
        'if begin.what == "branch" and begin.step > watch.offer.start:',
        "if False:",
    ),
)

MUTANTS = (*OF_TERMS, *OF_ELECTION, *OF_REQUESTS, *OF_RESULTS, *OF_LOSSES)
