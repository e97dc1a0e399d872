"""A refusal comes back whole from another process."""

import pickle

from timelyrain.runtime.problems import TooMany


def test_a_problem_survives_pickling():
    there = TooMany("3 codes were sent.", remedy="Wait.", field="phone", retry_after=60)
    back = pickle.loads(pickle.dumps(there))
    assert type(back) is TooMany and str(back) == str(there) and back.as_dict() == there.as_dict()
