#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lint's own tests: each rule is shown a small tree that breaks it, and a clean one that does not."""
import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import ctext  # noqa: E402
import lint  # noqa: E402

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


def function_of(lines, name="f", params="void"):
    """A function of exactly so many lines."""
    return f"int {name}({params})\n{{\n" + "\t;\n" * (lines - 3) + "}\n"


class Tree(unittest.TestCase):
    def findings_of(self, files):
        """What the lint says of a tree of these files, in which every .c is built unless a list is among them."""
        if not any(name.endswith(".cmake") for name in files):
            files = {**files, "all.cmake": " ".join(Path(name).name for name in files) + "\n"}
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text.encode() if isinstance(text, str) else text)
            return lint.Lint(folder).run()

    def assert_breaks(self, files, *words):
        found = self.findings_of(files)
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])

    def assert_clean(self, files):
        self.assertEqual(self.findings_of(files), [])


class Layers(Tree):
    def test_a_layer_sees_the_layers_below_and_the_public_header(self):
        text = '#include "tok/tok.h"\n#include "base/err.h"\n#include "hsfeed.h"\n'
        self.assert_clean({"daemon/tok/a.c": SPDX + text})

    def test_an_upward_include_is_named_with_its_line(self):
        self.assert_breaks({"daemon/base/a.c": SPDX + '#include "store/store.h"\n'},
                           "daemon/base/a.c:2:", "store/store.h")

    def test_a_sideways_include_is_an_error(self):
        self.assert_breaks({"daemon/tok/a.c": SPDX + '#include "store/store.h"\n'}, "daemon/tok must not include")

    def test_the_client_never_sees_the_daemon(self):
        self.assert_breaks({"client/lib/a.c": SPDX + '#include "base/err.h"\n'}, "client/lib must not include")

    def test_the_daemon_never_sees_the_client(self):
        self.assert_breaks({"daemon/server/a.c": SPDX + '#include "lib/hsfeed.h"\n'}, "daemon/server must not include")

    def test_daemon_and_client_meet_in_proto_wire(self):
        text = SPDX + '#include "wire/wire.h"\n'
        self.assert_clean({"daemon/server/a.c": text, "client/lib/a.c": text})

    def test_a_bare_include_names_a_neighbour(self):
        self.assert_clean({"daemon/tok/a.c": SPDX + '#include "b.h"\n', "daemon/tok/b.h": SPDX})
        self.assert_breaks({"daemon/tok/a.c": SPDX + '#include "b.h"\n'}, "is not beside this file")

    def test_a_subfolder_belongs_to_its_layer(self):
        self.assert_breaks({"daemon/base/x/a.c": SPDX + '#include "tok/tok.h"\n'}, "daemon/base must not include")

    def test_an_include_in_a_comment_does_not_count(self):
        self.assert_clean({"daemon/base/a.c": SPDX + '// #include "tok/tok.h"\n'})


class Libraries(Tree):
    def test_a_layer_may_use_its_one_library(self):
        self.assert_clean({"daemon/store/a.c": SPDX + "#include <lmdb.h>\n",
                          "daemon/server/a.c": SPDX + "#include <uv.h>\n"})

    def test_another_layers_library_is_an_error(self):
        self.assert_breaks({"daemon/feed/a.c": SPDX + "#include <lmdb.h>\n"}, "<lmdb.h>", "daemon/feed")

    def test_an_unknown_library_is_an_error(self):
        self.assert_breaks({"daemon/server/a.c": SPDX + "#include <curl/curl.h>\n"}, "<curl/curl.h>")

    def test_the_c_library_is_for_all(self):
        text = "#include <sys/mman.h>\n#include <linux/memfd.h>\n#include <nmmintrin.h>\n"
        self.assert_clean({"client/lib/a.c": SPDX + text})

    def test_a_pure_layer_does_no_io(self):
        self.assert_breaks({"daemon/text/a.c": SPDX + "#include <unistd.h>\n"}, "does no I/O")

    def test_a_low_layer_does_not_print(self):
        self.assert_breaks({"daemon/store/a.c": SPDX + 'static void f(void)\n{\n\tprintf("x");\n}\n'},
                           ":4:", "printf()")

    def test_a_call_named_in_a_string_is_not_a_call(self):
        text = 'const char *s = "exit (1)"; // abort()\nvoid f(int n) { snprintf(n); }\n'
        self.assert_clean({"daemon/store/a.c": SPDX + text})


class Lengths(Tree):
    def test_a_function_of_80_lines_passes_and_81_does_not(self):
        self.assert_clean({"daemon/base/a.c": SPDX + function_of(80)})
        self.assert_breaks({"daemon/base/a.c": SPDX + function_of(81)}, ":2:", "f() has 81 lines")

    def test_main_has_at_most_40_lines(self):
        self.assert_clean({"daemon/app/main.c": SPDX + function_of(40, "main"), **PAGES})
        self.assert_breaks({"daemon/app/main.c": SPDX + function_of(41, "main"), **PAGES}, "main() has 41")

    def test_six_parameters_pass_and_seven_do_not(self):
        six = "int a, int b, int (*c)(int, int), int d, int e, int f"
        self.assert_clean({"daemon/base/a.c": SPDX + function_of(4, params=six)})
        self.assert_breaks({"daemon/base/a.c": SPDX + function_of(4, params=six + ", int g")}, "takes 7 parameters")

    def test_a_file_of_601_lines_is_too_long_unless_generated(self):
        body = "int x;\n" * 600
        self.assert_breaks({"daemon/base/a.c": SPDX + body}, "601 lines")
        self.assert_clean({"daemon/base/a.c": SPDX + "// generated by tests/tables.py\n" + body})
        self.assert_clean({"include/hsfeed.h": SPDX + body})
        self.assert_breaks({"include/hsfeed.h": SPDX + body + body}, "more than 1000")

    def test_a_line_of_121_columns_is_too_long_a_tab_counts_eight(self):
        self.assert_clean({"daemon/base/a.c": SPDX + "\t" + "x" * 112 + "\n"})
        self.assert_breaks({"daemon/base/a.c": SPDX + "\t" + "x" * 113 + "\n"}, "121 columns")
        self.assert_clean({"README.md": "x" * 200 + "\n"})

    def test_columns_are_characters_not_bytes(self):
        self.assert_clean({"daemon/base/a.c": SPDX + "// " + "\u0995" * 110 + "\n"})


class Leftovers(Tree):
    def test_a_leftover_mark_is_named(self):
        for word in ("TO" + "DO", "FIX" + "ME", "X" * 3):
            self.assert_breaks({"config/a.sh": f"# {word}: later\n"}, word)
        self.assert_clean({"config/a.sh": "mktemp hsfeed.XXXXXX\n"})

    def test_white_space_at_the_end_of_a_line(self):
        self.assert_breaks({"README.md": "a \nb\n"}, "README.md:1:", "white space")

    def test_a_missing_last_newline(self):
        self.assert_breaks({"README.md": "a\nb"}, "README.md:2:", "newline")

    def test_a_missing_licence_line(self):
        self.assert_breaks({"daemon/base/a.c": "int x;\n"}, "SPDX")

    def test_a_path_of_one_machine(self):
        self.assert_breaks({"a.md": "see /home/" + "somebody/x\n"}, "a path of one machine")
        self.assert_breaks({"a.md": "see /" + "root/x\n"}, "a path of one machine")
        self.assert_clean({"a.md": "see $HOME/x, ~/x and ${dir}/" + "root/x\n"})

    def test_the_checkouts_own_path(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve() / "deep" / "checkout"
            root.mkdir(parents=True)
            (root / "a.md").write_text(f"built in {root}/build\n")
            self.assertEqual(len(lint.Lint(root).run()), 1)

    def test_binary_files_are_left_alone(self):
        self.assert_clean({"tests/golden/a.bin": b"\0 \n \xff"})


class Lists(Tree):
    def test_a_source_that_no_list_names_is_not_built(self):
        self.assert_breaks({"daemon/base/a.c": SPDX, "daemon/base/b.c": SPDX, "daemon/tok/layer.cmake": "a.c\n",
                            "daemon/base/layer.cmake": "SOURCES aa.c b.c a.c.in\n"},
                           "daemon/base/a.c:1:", "nothing builds it")

    def test_a_list_may_make_the_name_of_a_test(self):
        self.assert_clean({"tests/unit/test_csv.c": SPDX, "tests/text.cmake": "foreach(name csv utf8)\n"})


PAGES = {"man/hsfeedd.8": "x\n", "man/hsfeedd.conf.5": "x\n"}
TABLE = SPDX + 'static const struct command commands[] = {\n\t{"ingest", "x"},\n\t{.name = "rm"},\n};\n'


class Manuals(Tree):
    def test_a_program_needs_its_pages(self):
        found = self.findings_of({"daemon/app/a.c": SPDX})
        self.assertEqual([f.split()[-3] for f in found], ["hsfeedd.8", "hsfeedd.conf.5"])

    def test_every_command_is_in_the_page(self):
        self.assert_clean({"client/cli/a.c": TABLE, "man/hsfeed.1": ".B ingest\n\\fBrm\\fR\n"})
        self.assert_breaks({"client/cli/a.c": TABLE, "man/hsfeed.1": ".B ingest\n.B rmdir\n"}, ":4:", "command rm")

    def test_a_table_of_something_else_holds_no_commands(self):
        other = SPDX + 'static const struct option options[] = {\n\t{"text", "x"},\n};\n'
        self.assert_clean({"client/cli/a.c": other, "man/hsfeed.1": "x\n"})


class Scanner(unittest.TestCase):
    def names(self, source):
        return [f.name for f in ctext.functions(source)]

    def test_only_definitions_count(self):
        self.assertEqual(self.names("int a(void);\nint b(void) { return 0; }\nint c(int x), d;\n"), ["b"])

    def test_initializers_structs_and_enums_are_not_functions(self):
        self.assertEqual(self.names("static int t[] = {1, 2};\nstruct s { int a; };\nenum e { A };\n"
                                    "struct __attribute__((packed)) p { int a; };\n"
                                    "static int (*h[])(void) = { f };\n"), [])

    def test_attributes_before_and_behind(self):
        self.assertEqual(self.names("static __attribute__((target(\"sse4.2\"))) int a(int x)\n{\n}\n"
                                    "int b(void) __attribute__((noinline))\n{\n}\n"), ["a", "b"])

    def test_a_struct_returned_and_a_nested_initializer(self):
        self.assertEqual(self.names("struct s *a(int x)\n{\n\tstruct s v = {1};\n\tif (x) { }\n}\nint b(void) {}\n"),
                         ["a", "b"])

    def test_braces_in_literals_and_comments_do_not_count(self):
        text = "int a(void)\n{\n\tputc('{');\n\tputs(\"{\\\"{\"); // {\n\t/* { */\n}\nint b(void) {}\n"
        self.assertEqual(self.names(text),
                         ["a", "b"])

    def test_only_the_first_branch_of_an_if_counts(self):
        self.assertEqual(self.names("#if X\nint a(int x) {\n#else\nint a(void) {\n#endif\n}\nint b(void) {}\n"),
                         ["a", "b"])

    def test_a_macro_body_is_not_a_function(self):
        self.assertEqual(self.names("#define M(x) \\\n\tint x(void) { \\\n\t}\nint b(void) {}\n"), ["b"])

    def test_lines_are_counted_from_the_signature_to_the_brace(self):
        f, = ctext.functions("\n\nstatic int\na(int x,\n  int y)\n{\n}\n")
        self.assertEqual((f.first, f.last, f.lines, f.params), (3, 7, 5, 2))


class CommandLine(unittest.TestCase):
    def test_findings_make_exit_1_and_a_clean_tree_exit_0(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as out:
            self.assertEqual(lint.main([folder]), 0)
            Path(folder, "a.c").write_text("int x;\n")  # no licence line
            self.assertEqual(lint.main([folder]), 1)
        self.assertIn("a.c:1:", out.getvalue())


if __name__ == "__main__":
    unittest.main()
