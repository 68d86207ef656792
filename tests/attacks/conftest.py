from tests.peerd.network.conftest import new_station  # noqa: F401 - a fixture for the attacks, too
