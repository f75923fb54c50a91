"""The rules that join two ways to ask the same thing of a shell, in the order in which they are read. A table alone.

Every rule is about English and shells, none about a goal. The text is in lower case, its words in their base forms.
"""

from __future__ import annotations

# `§` stands for a literal: its number, and before it the letter of its kind (e extension, f file or path, g glob,
# n number, p others).
_V = r"§[a-z]\d+"
_W = r"§[a-mo-z]\d+"
_RANK = r"(?:other|last|next|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|nth)\b"
_PLACE = r"(?:CWD|HOME|ROOT|§[pf]\d+)"
RULES: tuple[tuple[str, str], ...] = (
    (r"^(?:please )?(?:can|could|would|will) you (?:please )?|^i (?:want|need|would like|wish) (?:you )?to ", ""),
    (r"\bnot (?:all|every)\b", "NOTALL"),
    # "every" is "all" right behind the verb that looks or takes away; elsewhere what is done is done to each
    (rf"\bevery (?={_RANK}|§n)", "each "),
    (r"^(?P<v>find|list|display|show|print|view|see|output|get|search|locate|delete|remove) every ", r"\g<v> "),
    (r"\bevery\b", "each"),
    (r"\ball(?= (?:with|in|from|to|and|into|under|except|but|by|on|at|,)|$)", "ALL"),
    # alternatives and compounds
    (r"\b(?:normal|regular|ordinary)(?: / | or )(?:normal|regular|ordinary)\b", "regular"),
    (r"\b(?:normal|ordinary) (?=file)", "regular "),
    (r"\bsub (?=directory)", "sub"),
    (r"\bfile (?:/|and|or) directory\b|\bdirectory (?:/|and|or) file\b", "ENTRY"),
    (r"\bfile system\b", "filesystem"),
    (r"\b(?:symbolic|sym|soft) link\b", "symlink"),
    (r"\bfile name\b", "filename"),
    (r"\bwhite space\b", "whitespace"),
    # recursion and depth
    (r"\b(?:non|not|no|without|but not) (?:recurs\w+|descending)\b", "FLAT"),
    (r"\b(?:in|under|below) and (?:in|under|below)\b", "under"),
    (r"\band (?:everything )?(?:below|under|beneath)(?: it)?\b", "RECURSE"),
    (r"\brecursive(?:ly)?\b", "RECURSE"),
    (r"\bdirectory (?:tree|hierarchy)\b", "directory RECURSE"),
    (r"\b(?:starting|start) (?:in|from|at) (?=the current|current|/)", "in "),
    # well-known places
    (r"\b(?:the )?(?:current|present)(?: working)? directory\b|\bthis directory\b|\bworking directory\b"
     r"|\bpwd\b", "CWD"),
    (r"\bcurrent location\b", "CWD"),
    (r"\b(?:(?:the |my |your |user |current user )+)?home directory\b|\bhome directory of current user\b", "HOME"),
    (r"\b(?:the )?(?:(?:entire|whole|complete) )?(?:filesystem|file system|system)(?= |$)(?! call| time| log| load|"
     r" variable| information| process| user| command)", "ROOT"),
    (r"\beverywhere\b", "in ROOT"),
    (rf"\b(?:in|under|below|inside|within|beneath) (?:the )?(?:directory |path )?(?P<p>{_PLACE}|{_W})"
     rf"(?: (?:directory|path))?(?= |$)", r"in \g<p>"),
    (r"\b(?:on|at|throughout|across|through) (?:the )?(?P<p>CWD|HOME|ROOT)(?= |$)", r"in \g<p>"),
    (r"\bfrom (?:the )?(?P<p>CWD|HOME|ROOT)\b", r"in \g<p>"),
    (r"\b(?P<w>file|ENTRY|(?:sub)?directory|content|symlink) of (?:the )?(?P<p>CWD|HOME|ROOT)\b", r"\g<w> in \g<p>"),
    # "in X and its subdirectories" is X and all below; "files and subdirectories" are two sorts of things
    (rf"(?P<p>\bin {_PLACE})(?: RECURSE)?(?: (?:and|or|in|including))+(?: (?:all|any|each))?(?: of)?"
     r"(?: (?:the|its|their|it's))? subdirectory(?: RECURSE)?(?= (?:and|for|that|whose|which|with|named|§)|$)",
     r"\g<p> RECURSE"),
    # "search X for Y" is "find Y in X"
    (rf"\b(?:search|look) (?:through |in |within |under |over )?(?:the )?(?:directory )?(?P<p>{_PLACE}|{_V})"
     rf"(?: directory)?(?P<r> RECURSE)? (?:recursively )?for (?P<y>.+)$", r"find \g<y> in \g<p>\g<r>"),
    (r"\b(?:search|look) for\b", "find"),
    (r"\blocate\b|\bsearch\b(?= (?:all )?(?:file|directory|ENTRY|§|regular|symlink))", "find"),
    # case
    (r"\b(?:search |match )?(?:in )?(?:an? |with )?(?:case insensitive(?:ly)?|case independent)"
     r"(?: (?:search|manner|way|mode|name|pattern|match|comparison|fashion))?\b|"
     r"\b(?:and )?(?:ignore|disregarding|regardless of|irrespective of|without regard to)(?: the)?"
     r"(?: letter)? case(?: sensitivity| distinction)?\b", "NOCASE"),
    # names
    (rf"\b(?:named|called|titled)(?: as)? (?={_V})|\b(?:with|by|have|whose|that|which|of)(?: the| a| their)? "
     rf"(?:file)?name(?: is| are| as| be| of)? (?={_V})|\b(?:of which|whose) name (?:is|are)(?: exactly)? (?={_V})",
     "named "),
    (rf"\b(?:whose |with |have )?(?:the |their )?(?:file)?name(?:s)? (?:that )?(?:start|begin) with "
     rf"(?:the (?:word|letter|string|prefix) )?(?P<v>{_V})", r"NAMESTART \g<v>"),
    (rf"\b(?:that |which )?(?:start|begin) with (?:the (?:word|letter|string|prefix) )?(?P<v>{_V}) in "
     rf"(?:the |their |its )?(?:file)?name\b", r"NAMESTART \g<v>"),
    (rf"\b(?:whose |with |have )?(?:the |their )?(?:file)?name(?:s)? (?:that )?end (?:with|in|by) "
     rf"(?:the (?:word|letter|string|suffix|extension) )?(?P<v>{_V})", r"NAMEEND \g<v>"),
    (rf"\b(?:that |which )?end (?:with|in|by) (?:the (?:word|letter|string|suffix|extension) )?(?P<v>{_V})"
     rf"(?: in (?:the |their |its )?(?:file)?name)?(?= |$)", r"NAMEEND \g<v>"),
    (rf"\b(?:whose |with |have )?(?:the |their )?(?:file)?name(?:s)? (?:that )?contain "
     rf"(?:the (?:word|string|letter) )?(?P<v>{_V})", r"NAMEHAS \g<v>"),
    (rf"\b(?:contain|have|with) (?:the (?:word|string|letter) )?(?P<v>{_V}) in (?:the |their |its )?(?:file)?name\b",
     r"NAMEHAS \g<v>"),
    (rf"\b(?:whose |with |have )?(?:the |their )?(?:file)?name(?:s)? (?:that )?match (?:the )?(?:shell |glob )?"
     rf"(?:pattern )?(?P<v>{_V})", r"LIKE \g<v>"),
    (rf"\b(?:match|like)(?: to)?(?: the)? (?:shell |glob )?pattern (?P<v>{_V})", r"LIKE \g<v>"),
    (r"\b(?:that )?match(?: the)? (?P<v>§[eg]\d+)", r"LIKE \g<v>"),
    # extensions: "files ending in .txt", "files with extension txt" and "*.txt files" are one
    (r"\b(?P<n>file|ENTRY) (?:NAMEEND|LIKE|(?:with|have|of)(?: the| an?)? extension(?: of)?|named) (?P<v>§e\d+)",
     r"\g<v> \g<n>"),
    (r"\b(?:with|have)(?: the| an?)? (?P<v>§e\d+) extension\b", r"with extension \g<v>"),
    (r"\b(?P<n>file|ENTRY) with extension (?P<v>§e\d+)", r"\g<v> \g<n>"),
    # "option X" and "X option" are one
    (rf"\b(?P<n>(?:shell )?(?:option|variable|branch|package|service)) (?P<v>{_V})(?= |$)", r"\g<v> \g<n>"),
    # counting
    (r"^how many (?P<x>[\w§ ]+?) (?:are|is) (?:there )?(?=in )", r"count \g<x> "),
    (rf"^how many (?P<x>[\w ]+?) (?:do|does) (?:the )?(?:file |directory )?(?P<v>{_V}) (?:have|contain)$",
     r"count \g<x> in \g<v>"),
    (r"^(?:count|show|print|display|get|output|calculate|find) (?:the )?(?:number|count) of (?:the |all )*", "count "),
    # "the file a.txt" is a.txt; its lines are in it and of it
    (rf"\b(?P<w>line|word|character|row|byte|entry) in (?=(?:the )?(?:file )?{_W})", r"\g<w> of "),
    (r"(?<=\bline of )(?:the )?file (?=§[pf]\d+)|(?<=\bin )(?:the )?file (?=§f\d+)", ""),
    (r"^(?P<v>delete|remove|count|copy|move|rename|sort|split|compress|extract|append|truncate)(?P<x>| .*?)"
     r" (?:the )?file (?=§[pf]\d+)", r"\g<v>\g<x> "),
    # other synonyms of shell language
    (r"\badd(?= .* to the (?:end|bottom) of )", "append"),
    (rf"\bappend (?P<x>.+) to the (?:end|bottom) of (?=(?:the )?{_V})", r"append \g<x> to "),
    (rf"^rename (?P<v>{_V}) as (?={_V})", r"rename \g<v> to "),
    (r"^(?:unpack|untar) (?=(?:the )?§f)", "extract "),
    (rf"^(?P<v>extract|write|append|save|print|output) (?P<x>.+?) into (?={_W}$)", r"\g<v> \g<x> to "),
    (r"^(?P<v>check|test|see) if ", r"\g<v> whether "),
    (r"^(?!replace|substitute|change)(?P<x>.+) using (?P<v>\w+|§p\d+)$", r"\g<x> with \g<v>"),
    (r"\b(?P<c>upper|lower) case\b", r"\g<c>case"),
    (r"^RECURSE (?P<x>.+)$", r"\g<x> RECURSE"),
    (r"\b(?:delete|remove)\b", "delete"),
    (r"\bmake(?= (?:an? |the |new |empty )*(?:directory|symlink)"
     r"| an? (?:new )?(?:empty )?(?:[a-z]+ )?(?:file|script|module|branch|repository)\b)"
     r"(?!.* (?:\w+able|read|write|public|private|owned|belong|sure)\b)", "create"),
    (r"^create (?:an? |the )?new ", "create "),
    (r"\b(?:greater|larger|bigger|more) than\b", "MORE"),
    (r"\b(?:less|smaller|fewer) than\b", "LESS"),
    (r"\bolder than (?P<v>§n\d+) (?P<u>day|hour|minute|week|month)\b(?: ago)?", r"modified MORE \g<v> \g<u> ago"),
    (r"\b(?P<w>file|ENTRY|directory|symlink|were|was|been|and|or|not) last (?=modified|accessed|changed)", r"\g<w> "),
    (r"\bbelong(?:ing)? to (?:the )?(?=user|group)", "owned by "),
    (r"\bowned by (?:the )?(?=user|group)", "OWNED "),
    (r"\bin (?:size|length)\b(?! order)", ""),
)  # fmt: skip
