"""The gates between a goal and the replay of a saved run with other values, in the order in which they are asked.

A gate is never out-voted. Each has a name and gives a reason that a person reads.
"""

from __future__ import annotations

from llmos.core import gates_format as formats
from llmos.core import gates_landing as landing
from llmos.core import gates_number as number
from llmos.core import gates_shell as shell
from llmos.core import gates_values as values
from llmos.core import gates_wording as wording
from llmos.core.gate import Gate
from llmos.core.gates_verb import check_verb
from llmos.core.wording import WordClass

GATES: tuple[Gate, ...] = (
    Gate("letters", wording.check_strange),
    Gate("pronoun", wording.check_pronoun),
    Gate("negation", wording.same_class(WordClass.NEGATION, "a negation differs")),
    Gate("exception", wording.same_class(WordClass.EXCEPTION, "an exception differs")),
    Gate("polarity", wording.same_class(WordClass.POLARITY, "the opposite may be meant")),
    Gate("comparative", wording.same_class(WordClass.COMPARATIVE, "a comparison differs")),
    Gate("quantifier", wording.same_class(WordClass.QUANTIFIER, "how many are meant differs")),
    Gate("conjunction", wording.same_class(WordClass.CONJUNCTION, "how the parts are joined differs")),
    Gate("verb", check_verb),
    Gate("words", wording.check_words),
    Gate("order", wording.check_order),
    Gate("recursion", wording.check_recursion),
    Gate("place", wording.check_place),
    Gate("sense", wording.check_sense),
    Gate("effect", wording.check_effect),
    Gate("values", values.check_values),
    Gate("kind", values.check_kinds),
    Gate("reach", values.check_reach),
    Gate("role", values.check_role),
    Gate("format", formats.check_format),
    Gate("pairing", values.check_pairing),
    Gate("unused", values.check_unused),
    Gate("unaccounted", values.check_unaccounted),
    Gate("repeated", values.check_repeated),
    Gate("command", landing.check_command),
    Gate("form", landing.check_form),
    Gate("code", landing.check_code),
    Gate("option", landing.check_option),
    Gate("glob", landing.check_glob),
    Gate("vocabulary", shell.check_vocabulary),
    Gate("separator", shell.check_separator),
    Gate("depth", shell.check_depth),
    Gate("output", shell.check_command_output),
    Gate("quotes", landing.check_quotes),
    Gate("constant", values.check_constant),
    Gate("column", values.check_column),
    Gate("said", wording.check_said),
    Gate("number", number.check_number),
    Gate("signs", wording.check_signs),
    Gate("leftover", values.check_leftover),
)
AFTER = frozenset(["leftover"])
"""Gates that look at the bound arguments; the others decide before anything is bound."""
