"""The scorer process, put together."""

import os
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.app.classifier import make_classifier
from gateway.app.common import FLUSH_SECONDS, SCORING_SECONDS, Process, exit_code, own_name, running_process
from gateway.app.constitution import load_constitution
from gateway.app.kafka import options_of
from gateway.app.reload import UNREAD_BY_SCORER, Renewal, run_renewed
from gateway.curation.store import labelled
from gateway.forgetting import ForgettingFolder
from gateway.ports import Classifier
from gateway.process import Exit, Parent
from gateway.processes import SCORER, proxy_name
from gateway.scoring.decode import decode
from gateway.scoring.evaluation import Evaluator
from gateway.scoring.forgetting import VerdictForgetting
from gateway.scoring.horizon import Horizon
from gateway.scoring.longer import LongerTexts
from gateway.scoring.mark import Mark
from gateway.scoring.remote import Found, RemoteEvaluator
from gateway.scoring.sampling import Sample
from gateway.scoring.scorer import Scorer
from gateway.scoring.texts import LONGER, KeptTexts
from gateway.scoring.watchdog import Watchdog
from gateway.settings import Kafka

if TYPE_CHECKING:
    from gateway.scoring.spans import ExchangeSpans


def run_scorer(config: Path, parent_fd: int | None) -> int:
    """The scorer until it is told to stop; its exit code."""
    return exit_code(lambda: _run_scorer(config, Parent(parent_fd)))


def _run_scorer(config: Path, parent: Parent) -> int:
    with running_process(config, SCORER) as process, ExitStack() as stack:
        settings = process.settings
        kafka = settings.events.scorers
        unread = UNREAD_BY_SCORER if kafka is None else UNREAD_BY_SCORER - {"events"}
        renewal = Renewal(config, settings, parent, unread=unread)  # of what it reads by, as it is now
        events = process.event_log()
        stack.callback(events.close)
        evaluator = evaluator_of(process) if kafka is None else _remote(process, kafka, stack)
        texts = _texts(process)
        stack.callback(texts.close)
        scorer = Scorer(
            events,
            evaluator,
            texts,
            meters=process.meters,
            clock=process.clock,
            sample=Sample(settings.scoring.sample),
            horizon=Horizon(frozenset(proxy_name(worker) for worker in range(settings.proxy.workers))),
            duty=VerdictForgetting(ForgettingFolder(process.data), SCORER, lambda: [events], texts.forget).step,
            spans=_spans(process, stack),
        )
        run_renewed(scorer.run, parent, renewal)
        renewal.finish()
    return Exit.OK


def _spans(process: Process, stack: ExitStack) -> "ExchangeSpans | None":
    traces = process.settings.traces
    if traces is None:
        return None
    from gateway.scoring.spans import ExchangeSpans
    from gateway.telemetry.otlp import OtlpExporter, captures_content
    from gateway.telemetry.spans import SpanSender

    sender = SpanSender(OtlpExporter(traces.endpoint, process.clock), process.meters)
    sender.start()
    stack.callback(sender.close, FLUSH_SECONDS)
    source, content = own_name(process.settings.events), captures_content(os.environ)
    return ExchangeSpans(source, sender.offer, process.clock, content=content)


def evaluator_of(process: Process, *, keeps: bool = True) -> Evaluator:
    """By the configuration's constitution and classifiers. Raises ConfigError."""
    _, classifier = make_classifier(process.settings)
    return _guarded(process, classifier, keeps=keeps)


def _guarded(process: Process, classifier: Classifier, *, keeps: bool = True) -> Evaluator:
    watchdog = Watchdog(process.data.hung(SCORER), SCORING_SECONDS)
    mark = Mark(process.data.mark(SCORER), hung=bool(watchdog.last_words))
    return Evaluator(classifier, decode, mark=mark, watchdog=watchdog, clock=process.clock, keeps=keeps)


def _remote(process: Process, kafka: Kafka, stack: ExitStack) -> RemoteEvaluator:
    from gateway.events.kafka_group import KafkaPost

    settings, clock = process.settings, process.clock
    post = stack.enter_context(closing(KafkaPost(options_of(kafka), settings.events.source, clock)))
    found = Found(load_constitution(settings.constitution).hash)
    trouble = process.data.trouble(SCORER)
    return RemoteEvaluator(post, found, _guarded(process, found), trouble=trouble, clock=clock)


def _texts(process: Process) -> KeptTexts:
    retention, folder, clock = process.settings.retention, process.data.texts, process.clock
    longer = LongerTexts(
        folder / SCORER / LONGER,
        clock,
        usual_days=retention.days,
        days=max(retention.flagged_days, retention.days),
        max_bytes=retention.flagged_bytes,
        sample=retention.sample,
        labelled=partial(labelled, process.data.labels),
    )
    return KeptTexts(folder, SCORER, clock, retention.days, retention.bytes, longer=longer)
