"""Whether the scripts of the tests on machines are programs, and ask of a machine only what NixOS' test driver has.

Takes NixOS' sources as argument and the scripts on standard input: `{ NAME: { script, machines } }`.
"""

import ast
import json
import pathlib
import sys

[driver] = pathlib.Path(sys.argv[1]).glob("lib/test-driver/**/machine.py")
[machine] = [node for node in ast.parse(driver.read_text()).body if getattr(node, "name", None) == "Machine"]
known = {node.name for node in machine.body if isinstance(node, ast.FunctionDef)}

wrong = []
for name, test in json.load(sys.stdin).items():
    # A test of one machine may call it so, whatever its name.
    machines = {*test["machines"], "machine"}
    tree = ast.parse(test["script"], filename=name)
    compile(tree, name, "exec")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in machines:
            if node.attr not in known:
                wrong.append(f"{name}: line {node.lineno}: a machine has no {node.attr}")
if wrong or not known:
    sys.exit("\n".join(wrong) or "the driver's class Machine has no methods")
