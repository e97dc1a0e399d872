"""The demonstration: one loan walked through the public HTTP API on real parts, in a world of its own."""

import argparse
import json
import sys
import time

from timelyrain.demo.scenarios import SCENARIOS
from timelyrain.demo.story import Story
from timelyrain.demo.walk import Walk, WalkFailed
from timelyrain.demo.world import DemoWorld


def main(given: argparse.Namespace) -> int:
    """Run one scenario; the story (or one JSON object with --json) goes to stdout, progress to stderr. 0 when all checks hold."""
    if given.scenario not in SCENARIOS:
        print(
            f"There is no scenario {given.scenario!r}; choose one of {', '.join(SCENARIOS)}.", file=sys.stderr
        )
        return 2
    began = time.monotonic()
    story = Story(quiet=given.json)
    try:
        with DemoWorld(story.progress) as world:
            walk = Walk(world, story, verbose=given.verbose)
            SCENARIOS[given.scenario](walk)
            result = walk.result()
    except WalkFailed as failure:
        story.failed(str(failure))
        return 1
    if given.json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        story.end(result, time.monotonic() - began)
    return 0 if walk.holds(result) else 1
