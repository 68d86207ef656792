"""What peerd says of a scheduler is what diffusers' class of that name does."""

import pytest

from peerd.engine import pipelines, solver_state
from peerd_protocol.errors import EngineError
from peerd_protocol.schedulers import SCHEDULERS, calls_per_run
from tests.engine.stories import Model

# diffusers turns tensors into arrays in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

STEPS = (1, 2, 3, 5, 6, 10, 11, 14, 15, 16, 20, 25, 50, 100)


@pytest.fixture(scope="module")
def small_pipeline(small_model: Model) -> pipelines.Pipeline:
    return pipelines.load(small_model.folder)


@pytest.fixture(scope="module")
def flow_pipeline(flow_model: Model) -> pipelines.Pipeline:
    return pipelines.load(flow_model.folder)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_run_calls_step_as_often_as_peerd_counts(
    small_pipeline: pipelines.Pipeline, flow_pipeline: pipelines.Pipeline, name: str
) -> None:
    scheduler = SCHEDULERS[name]
    pipeline = flow_pipeline if scheduler.flow else small_pipeline
    for steps in STEPS:
        if scheduler.steps_min <= steps <= scheduler.steps_max:
            pipeline.set_scheduler(name)
            pipeline.pipe.scheduler.set_timesteps(steps)
            assert len(pipeline.pipe.scheduler.timesteps) == calls_per_run(name, steps), steps


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_named_scheduler_can_be_split(name: str) -> None:
    assert pipelines.SCHEDULER_CLASSES[name][0] in solver_state.SOLVERS


def test_settings_have_a_digest_that_tells_them_apart(small_pipeline: pipelines.Pipeline) -> None:
    digests = {name: small_pipeline.set_scheduler(name) for name, kind in SCHEDULERS.items() if not kind.flow}
    assert len(set(digests.values())) == len(digests)
    assert all(small_pipeline.set_scheduler(name) == digest for name, digest in digests.items())


def test_a_scheduler_that_changes_its_own_settings_in_a_run_is_new_for_the_next(
    small_pipeline: pipelines.Pipeline,
) -> None:
    before = small_pipeline.set_scheduler("dpmpp_2s")
    small_pipeline.pipe.scheduler.set_timesteps(5)
    assert small_pipeline.set_scheduler("dpmpp_2s") == before


def test_a_scheduler_of_the_other_kind_is_refused(
    small_pipeline: pipelines.Pipeline, flow_pipeline: pipelines.Pipeline
) -> None:
    with pytest.raises(EngineError, match="flow_euler does not work with this noise-predicting model"):
        small_pipeline.set_scheduler("flow_euler")
    with pytest.raises(EngineError, match="ddim does not work with this flow-matching model"):
        flow_pipeline.set_scheduler("ddim")
