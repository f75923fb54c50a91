"""What the forgetting test plants and buries it under: sixty dated statements, and endless requests about other things.

Everything is written for llmos. The questions ask in other words. The distractors are of the same world, so they share
words with the questions ("port", "deploy", "tests", names of projects), but none answers one.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Planted:
    """A statement and the question that asks for it. `kind` is setting, instruction, preference, update or conflict.

    Of an update the later statement comes first in `statements`; of a conflict both count.
    """

    kind: str
    question: str
    statements: tuple[str, ...]


_SETTINGS = (
    ("Which port does the staging database listen on?", "The staging database of borealis listens on port 5433."),
    ("Who signs off a release of fathom?", "Ingrid approves every release of fathom before it goes out."),
    ("Where do the nightly backups go?", "Our nightly backups are stored in the bucket cold-harbor-eu."),
    ("What does the billing service run on?", "The billing service is written in Elixir and runs on three nodes."),
    ("How is the feature flag for the new checkout called?", "The flag for the new checkout is enable_swift_cart."),
    ("Which branch do we deploy from?", "We deploy from the branch called production, not from main."),
    ("What Python version does kestrel need?", "kestrel only works with Python 3.11 because of the old parser."),
    ("Where is the documentation of the internal API?", "The internal API is described in docs/wire-protocol.adoc."),
    ("How long does the full test suite of granite take?", "The whole suite of granite needs about 47 minutes."),
    ("What is the hostname of the build machine?", "Our build machine is reachable as anvil.internal."),
    ("Which library parses the invoices?", "The invoices are parsed with pdfminer, we dropped tabula."),
    ("When does the certificate of the shop expire?", "The TLS certificate of the shop runs out on 14 January 2027."),
    ("Who looks after the Kubernetes cluster?", "Paulo is responsible for the Kubernetes cluster."),
    ("What error did the importer throw on the Danish file?", "The importer fails on the Danish file with E4471."),
    ("In which time zone does the scheduler run?", "The scheduler works in UTC+9 because of the Tokyo office."),
    ("What is the size limit for uploads?", "Uploads are cut off at 25 megabytes by the proxy."),
    ("How do I reach the on-call engineer?", "The person on call is paged through the number in RUNBOOK.md."),
    ("Which team owns the search index?", "The search index belongs to the discovery team in Gdansk."),
    ("What message queue do we use?", "Messages between services go through NATS with JetStream."),
    ("Where are the secrets of lumen kept?", "lumen reads its credentials from a Vault path named kv/lumen."),
    ("What is the retention of the audit log?", "Audit entries are deleted after 400 days."),
    ("Which customer has a contract for self-hosting?", "Only Meridian Freight hosts our product themselves."),
    ("Why is the cache disabled on Mondays?", "We turn the cache off on Mondays since the price list changes then."),
    ("What did we name the shared component library?", "The shared component library is called pebble-ui."),
)
_INSTRUCTIONS = (
    ("What has to happen ahead of every commit?", "Always run make lint and make types before you commit."),
    ("How should commit messages look?", "Write commit messages in the imperative and never longer than 60 letters."),
    ("May you push to the remote on your own?", "Never push anything without asking me first."),
    ("In which language should answers be written?", "Answer me in German when I write in German."),
    ("What should be done with generated files?", "Do not edit anything below gen/, change the templates instead."),
    ("How are new database columns introduced?", "Add a column as nullable first and backfill it afterwards."),
    ("What should tests never do?", "Tests must not talk to the network, not even to localhost."),
    ("Which quotes should strings have?", "Use single quotes in the TypeScript code, please."),
    ("What is the rule for shell scripts?", "Every shell script starts with set -euo pipefail."),
    ("How many reviewers does a schema migration need?", "A migration of the schema has to be read by two people."),
    ("What should happen to commented-out code?", "Remove dead code instead of commenting it out."),
    ("How should dates be printed in reports?", "Show dates in reports as year, month, day with hyphens."),
)
_PREFERENCES = (
    ("What editor do I use?", "I work in Helix with a light theme."),
    ("Do I like long explanations?", "I prefer short answers, I can always ask for more."),
    ("What is my favourite way of drawing diagrams?", "I like mermaid diagrams better than ASCII art."),
    ("Which package manager do I prefer for JavaScript?", "I use pnpm, not npm or yarn."),
    ("How do I indent Makefiles?", "I want tabs in Makefiles and four spaces everywhere else."),
    ("Which shell am I on?", "My login shell is fish."),
    ("What do I think of mocking?", "I dislike mocks, I would rather start the real thing."),
    ("When am I not available?", "I never work on Wednesday afternoons because of my daughter."),
)
_UPDATES = (
    ("Where do the metrics go now?", "Metrics are sent to Grafana Cloud from now on.", "Our metrics go to Prometheus."),
    ("Who is the product manager of ember?", "Yuki took over ember as product manager.", "Leila manages ember."),
    ("Which CI system do we use?", "We left Jenkins, builds run on Buildkite.", "Builds run on Jenkins."),
    ("On which cloud is drift hosted?", "drift was moved to Hetzner last week.", "drift is hosted on Azure."),
)
_CONFLICTS = (
    ("What timeout does the gateway have?", "The gateway gives up after 30 seconds.", "The gateway waits 90 seconds."),
    ("How many replicas does juniper run?", "juniper runs with two replicas.", "There are five replicas of juniper."),
    ("Is the admin page public?", "The admin page is open to the internet.", "The admin page is behind the VPN."),
    ("Which colour is the brand button?", "The brand button is teal.", "The brand button is dark orange."),
)


def planted() -> list[Planted]:
    """All of them; sixty statements."""
    made = [Planted("setting", question, (said,)) for question, said in _SETTINGS]
    made += [Planted("instruction", question, (said,)) for question, said in _INSTRUCTIONS]
    made += [Planted("preference", question, (said,)) for question, said in _PREFERENCES]
    made += [Planted("update", question, (new, old)) for question, new, old in _UPDATES]
    return made + [Planted("conflict", question, (one, other)) for question, one, other in _CONFLICTS]


_PROJECTS = """atlas cobalt iris harbor quartz willow ember drift lumen kestrel granite borealis fathom juniper
onyx maple tundra basalt cedar falcon heron lagoon meadow nectar opal prism raven sable topaz umber""".split()
_THINGS = """parser renderer worker router socket buffer handler exporter importer scheduler watcher loader
printer mixer encoder decoder planner linter bundler crawler mailer tracker sampler resolver
balancer shader tokenizer formatter validator serializer dispatcher throttle registry mirror sandbox
archiver notifier thumbnail carousel tooltip sidebar pagination login signup cart checkout invoice
receipt calendar inbox timeline map chart table form modal banner""".split()
_FAULTS = """slow flaky broken missing duplicated truncated misaligned garbled stuck noisy leaking deprecated
unused circular off-by-one unreachable racy blocking""".split()
_FILES = "py ts rs go css html md json toml sql sh yaml c kt rb".split()
_PEOPLE = "Nadia Tomas Wei Amara Sven Marek Olga Dario Farid Hanna Iwan Jorge Kemal Lotte Mirko Noor".split()
_REQUESTS = (
    "rename {thing}.{file} to {thing}_{other}.{file} in {project}",
    "why is the {thing} of {project} {fault} since revision {number}?",
    "find every place where {project} calls the {thing}",
    "write a unit test for the {thing} in {other}.{file}",
    "count the lines of {thing}.{file} and tell me the longest",
    "the {thing} is {fault} again, look at {other}.{file} line {number}",
    "extract the {thing} out of {other}.{file} into a module of its own",
    "show me what {person} changed in the {thing} yesterday",
    "compare {thing}.{file} with {other}.{file}",
    "add a progress bar to the {thing} of {project}",
    "which of the tests of {project} touch the {other}?",
    "delete the {fault} entries of the {thing} list older than {number} days",
    "make the {thing} print its result as {file}",
    "summarise the discussion with {person} about the {thing}",
    "convert the {other} table to {file}",
    "what does the function that feeds the {thing} return for {number}?",
    "is the port {number} used by the {thing}?",
    "deploy the {thing} to my laptop and open it",
    "sort the imports of {thing}.{file}",
    "translate the labels of the {other} page to French",
    "how many commits did {person} make on the {thing} this month?",
    "draw the call graph from {thing} to {other}",
    "undo the last change of {other}.{file}",
    "build {project} with the {thing} switched off",
    "the log of {project} has {number} warnings about the {other}, group them",
    "replace the {fault} regular expression in the {thing}",
    "generate {number} rows of sample data for the {other}",
    "set the timeout of the {thing} to {number} and run it once",
    "check whether the {thing} works with an empty {other}",
    "speed up the query behind the {other} chart of {project}",
)
_ANSWERS = (
    "Done: {number} lines in {thing}.{file} were changed.",
    "The {thing} is called from {number} places, the first is {other}.{file}.",
    "I found the cause in {other}.{file}: the {thing} was {fault}.",
    "Nothing to do, the {thing} of {project} is up to date.",
    "{person}'s change touched the {thing} and the {other}.",
    "The command printed {number} rows.",
)


def distractors(seed: int) -> Iterator[tuple[str, str]]:
    """Endless requests and answers; twenty in a row are mostly of one project."""
    draw = random.Random(seed)
    for turn in itertools.count():
        values = {
            "project": project_of(turn) if draw.random() < 0.7 else draw.choice(_PROJECTS),
            "thing": draw.choice(_THINGS),
            "other": draw.choice(_THINGS),
            "fault": draw.choice(_FAULTS),
            "file": draw.choice(_FILES),
            "person": draw.choice(_PEOPLE),
            "number": str(draw.randrange(10, 9_999)),
        }
        yield draw.choice(_REQUESTS).format(**values), draw.choice(_ANSWERS).format(**values)


def project_of(turn: int) -> str:
    """What a session of twenty turns is about."""
    return _PROJECTS[turn // 20 % len(_PROJECTS)]
