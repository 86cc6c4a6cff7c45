"""Rows of one sequence of types, packed by one function: it is written for them, because a call for each value costs most."""

import struct

from .frames import BYTES, DOUBLE, INTEGER, NULL, SERVER_TEXT, TEXT
from .values import pack_bytes, pack_float, pack_int, pack_null, pack_server_text, pack_str, pack_text, pack_utf8

# By function, or by function and type: what the value becomes before it is packed, its form in the module struct, the
# fields, and whether its bytes follow.
FORMS = {
    pack_null: ("", "B", "{0}".format(NULL), False),
    pack_int: ("", "Bq", "{0}, {{0}}".format(INTEGER), False),
    pack_float: ("", "Bd", "{0}, {{0}}".format(DOUBLE), False),
    pack_str: ("{0} = {0}.encode()", "BI", "{0}, len({{0}})".format(TEXT), True),
    pack_bytes: ("", "BI", "{0}, len({{0}})".format(BYTES), True),
    (pack_text, str): ("{0} = {0}.encode()", "BI", "{0}, len({{0}})".format(TEXT), True),
    (pack_server_text, str): ("{0} = {0}.encode()", "BI", "{0}, len({{0}})".format(SERVER_TEXT), True),
    # Raises if it is not UTF-8.
    pack_utf8: ("{0}.isascii() or {0}.decode()", "BI", "{0}, len({{0}})".format(TEXT), True),
}
if not hasattr(bytearray, "isascii"):
    FORMS[pack_utf8] = ("{0}.decode()",) + FORMS[pack_utf8][1:]


class Writer:
    """Writes the text of a function."""

    def __init__(self):
        self.lines = []
        self.parts = []
        self.names = {}
        self.form = ""
        self.fields = []

    def add(self, name, packer, kind):
        """Adds a value of this type that a function packs."""
        found = FORMS.get(packer) or FORMS.get((packer, kind))
        if found is None:
            self.end_struct()
            self.parts.append("{}({})".format(self.keep(packer), name))
            return
        line, form, fields, follows = found
        if line:
            self.lines.append(line.format(name))
        self.form += form
        self.fields.append(fields.format(name))
        if follows:
            self.end_struct()
            self.parts.append(name)

    def end_struct(self):
        """Packs the fields so far in one call."""
        if self.form:
            name = self.keep(struct.Struct(">" + self.form).pack)
            self.parts.append("{}({})".format(name, ", ".join(self.fields)))
            self.form, self.fields = "", []

    def keep(self, value):
        """Returns the name of an object that the function uses."""
        name = "kept{}".format(len(self.names))
        self.names[name] = value
        return name

    def function(self, names):
        """Returns the function."""
        self.end_struct()
        head = ["def row(values):", "({},) = values".format(", ".join(names))]
        text = "\n    ".join(head + self.lines + ["return join(({},))".format(", ".join(self.parts))])
        self.names["join"] = b"".join
        exec(text, self.names)
        return self.names["row"]


def fused(packers, kinds):
    """Returns a function that packs a row of values of these types, which these functions pack one by one."""
    writer = Writer()
    names = ["value{}".format(number) for number in range(len(packers))]
    for name, packer, kind in zip(names, packers, kinds):
        writer.add(name, packer, kind)
    return writer.function(names)
