#!/usr/bin/env python3
"""Print which function of systemd parses each directive, as JSON, one row a directive.

    git -C SYSTEMD show HEAD:src/core/load-fragment-gperf.gperf.in | ./extract-parsers.py > systemd-parsers.json

The rows in use come from systemd 262~devel.

How a directive is quoted and how repeated assignments merge is a property of its parser; src/parser.rs
says what each parser does. Directives that a build without SELinux, seccomp and the like replaces by
`config_parse_warn_compat` are listed under their real parser only.
"""

import json
import re
import sys

ROW = re.compile(r"(\{\{type\}\}|[A-Z][A-Za-z]+)\.(\w+),\s+(\w+),\s+(\w+)")
MACRO = re.compile(r"macro (\w+)\(type\)")
USE = re.compile(r"\{\{ (\w+)\('(\w+)'\) \}\}")
# The manager ignores [Install]: systemctl parses it, in src/shared/install.c.
INSTALL = {
    "Alias": "alias",
    "Also": "also",
    "DefaultInstance": "default_instance",
    "RequiredBy": "strv",
    "UpheldBy": "strv",
    "WantedBy": "strv",
}


def rows(lines):
    macros, body = {}, None
    for line in lines:
        if started := MACRO.search(line):
            body = macros.setdefault(started[1], [])
        elif "endmacro" in line:
            body = None
        elif row := ROW.match(line):
            section, name, parser, argument = row.groups()
            if argument == "DISABLED_CONFIGURATION" or argument == "DISABLED_EXPERIMENTAL":
                continue
            parser = INSTALL[name] if section == "Install" else parser.removeprefix("config_parse_")
            found = (section, name, parser)
            if body is not None:
                body.append(found)
            else:
                yield found
        elif use := USE.match(line):
            for _, name, parser in macros[use[1]]:
                yield use[2], name, parser


table = sorted(set(rows(sys.stdin)))
print("[")
print(",\n".join(json.dumps(dict(zip(("section", "name", "parser"), row))) for row in table))
print("]")
