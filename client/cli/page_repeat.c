// SPDX-License-Identifier: Apache-2.0
// The same again: the plan in words, and the commands that give this very version and these very folds; the colophon.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "page.h"

// ---- words of a shell ----

// What needs no quotes anywhere in a command line of sh or bash.
static bool is_plain(const char *text)
{
	return *text &&
	       text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-")] == '\0';
}

// A control character or a mark that reorders text, which the page shows as \xNN: bash reads that in $'...'.
static bool has_control(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7F || strncmp(text, "\xE2\x80", 2) == 0 ||
		    strncmp(text, "\xE2\x81", 2) == 0 || strncmp(text, "\xC2", 1) == 0)
			return true;
	}
	return false;
}

static void put_quoted(const struct page *page, const char *text, bool ansi)
{
	for (;; text++) {
		size_t run = strcspn(text, ansi ? "'\\" : "'");
		html_text(page->out, text, run);
		text += run;
		if (!*text)
			return;
		html(page->out, "%s", *text == '\\' ? "\\\\" : ansi ? "\\'" : "'\\''");
	}
}

static void put_word(const struct page *page, const char *text)
{
	bool ansi = has_control(text);
	if (is_plain(text)) {
		html(page->out, "%s", text);
		return;
	}
	html(page->out, "%s", ansi ? "$'" : "'");
	put_quoted(page, text, ansi);
	html(page->out, "'");
}

static void put_option(const struct page *page, const char *option, const char *text)
{
	html(page->out, " --%s ", option);
	put_word(page, text);
}

// "A,B" as one word.
static void put_list_option(const struct page *page, const char *option, const hsfeed_value *list)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *memory = open_memstream(&text, &bytes);
	if (!memory)
		return;
	for (size_t i = 0; i < hsfeed_value_len(list); i++)
		fprintf(memory, "%s%s", i ? "," : "", hsfeed_value_str(hsfeed_value_at(list, i), NULL, ""));
	if (fclose(memory) == 0)
		put_option(page, option, text);
	free(text);
}

static bool holds_comma(const hsfeed_value *list)
{
	for (size_t i = 0; i < hsfeed_value_len(list); i++) {
		if (strchr(hsfeed_value_str(hsfeed_value_at(list, i), NULL, ""), ','))
			return true;
	}
	return false;
}

// ---- the version again ----

// Options whose answer differs from what an ingest does by itself.
static void put_reading(const struct page *page, const hsfeed_value *options)
{
	static const struct {
		const char *key, *option, *usual;
	} words[] = {
		{"charset", "charset", "utf-8"},
		{"na", "na", "pandas"},
		{"bad_rows", "bad-rows", "error"},
		{"positive", "positive", ""},
	};
	put_option(page, "delimiter", get_str(options, "delimiter"));
	if (!hsfeed_value_bool(hsfeed_value_get(options, "header"), 1))
		put_option(page, "header", "no");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (*get_str(options, words[i].key) && strcmp(get_str(options, words[i].key), words[i].usual) != 0)
			put_option(page, words[i].option, get_str(options, words[i].key));
	}
	if (get_bool(options, "drop_empty"))
		html(page->out, " --drop-empty");
}

static void put_labels(const struct page *page, const hsfeed_value *options)
{
	const hsfeed_value *labels = hsfeed_value_get(options, "labels");
	if (hsfeed_value_len(labels) == 0) {
		put_option(page, "labels", "none");
		return;
	}
	put_list_option(page, "labels", labels);
	put_option(page, "label-type", get_str(options, "label_type"));
}

static void put_tokenizers(const struct page *page)
{
	const hsfeed_value *roles = hsfeed_value_get(page->show, "roles");
	char word[4096];
	for (size_t i = 0; i < hsfeed_value_len(roles); i++) {
		const hsfeed_value *role = hsfeed_value_at(roles, i);
		const char *normalize = get_str(role, "normalize");
		snprintf(word, sizeof(word), "%s=%s", get_str(role, "role"), get_str(role, "tokenizer"));
		html(page->out, " \\\n   ");
		put_option(page, "tokenizer", word);
		if (strcmp(normalize, "nfc") != 0 && strcmp(normalize, "nfkc") != 0)
			continue;
		snprintf(word, sizeof(word), "%s=%s", get_str(role, "role"), normalize);
		put_option(page, "normalize", word);
	}
}

static void ingest_command(const struct page *page)
{
	const hsfeed_value *options = hsfeed_value_get(version_of(page), "options"),
			   *clean = hsfeed_value_get(options, "clean");
	if (holds_comma(hsfeed_value_get(options, "labels"))) {
		html(page->out, "<p class=\"note\">A label column has a comma in its name, which the command line "
				"cannot say; Python’s db.ingest(labels=[…]) can.</p>\n");
		return;
	}
	html(page->out, "<pre class=\"command\">hsfeed ingest %s ", get_str(page->show, "name"));
	put_word(page, get_str(version_of(page), "file_name"));
	put_option(page, "text", get_str(options, "text_column"));
	put_labels(page, options);
	put_reading(page, options);
	for (size_t i = 0; i < hsfeed_value_len(clean); i++)
		put_option(page, "clean", hsfeed_value_str(hsfeed_value_at(clean, i), NULL, ""));
	put_tokenizers(page);
	html(page->out, "</pre>\n");
}

// ---- the folds again ----

static void put_size(const struct page *page, const char *option, const hsfeed_value *size)
{
	if (hsfeed_value_type(size) == HSFEED_UINT)
		html(page->out, " --%s %llu", option, (unsigned long long)hsfeed_value_uint(size, 0));
	if (hsfeed_value_type(size) != HSFEED_F64)
		return;
	html(page->out, " --%s ", option);
	json_f64(page->out, hsfeed_value_f64(size, 0));
}

static void put_groups(const struct page *page, const hsfeed_value *plan)
{
	const char *group = get_str(plan, "group");
	bool word = strcmp(group, "duplicates") == 0 || strncmp(group, "column:", 7) == 0; // of the option's own
	if (*group) {
		html(page->out, word ? " --group column:" : " --group ");
		put_word(page, group);
	}
	if (!hsfeed_value_get(plan, "duplicates"))
		return;
	html(page->out, " --group duplicates --similarity ");
	json_f64(page->out, get_f64(plan, "duplicates"));
}

static void put_plan_options(const struct page *page, const hsfeed_value *plan)
{
	bool shuffle = hsfeed_value_bool(hsfeed_value_get(plan, "shuffle"), 1);
	if (page->plan_name) {
		put_option(page, "plan", page->plan_name);
		return;
	}
	put_option(page, "kind", get_str(plan, "kind"));
	if (strcmp(get_str(plan, "kind"), "predefined") == 0) {
		put_option(page, "fold-column", get_str(plan, "column"));
		return;
	}
	if (!hsfeed_value_get(plan, "test_size") && !hsfeed_value_get(plan, "train_size"))
		html(page->out, " --folds %llu", (unsigned long long)get_uint(plan, "folds"));
	if (shuffle)
		html(page->out, " --fold-seed %llu", (unsigned long long)get_uint(plan, "fold_seed"));
	else
		html(page->out, " --no-shuffle");
	if (hsfeed_value_len(hsfeed_value_get(plan, "by")) > 0)
		put_list_option(page, "by", hsfeed_value_get(plan, "by"));
	put_groups(page, plan);
	if (*get_str(plan, "rule"))
		put_option(page, "rule", get_str(plan, "rule"));
	put_size(page, "test-size", hsfeed_value_get(plan, "test_size"));
	put_size(page, "train-size", hsfeed_value_get(plan, "train_size"));
}

static void put_ref(const struct page *page)
{
	html(page->out, "%s@%s", page->name, fmt_id(get_str(version_of(page), "version")));
}

// What a report was asked for beside its plan, where that is not the usual.
static void put_report_options(const struct page *page, const hsfeed_value *plan)
{
	uint64_t max_length = get_uint(page->folds, "max_length");
	double similarity = get_f64(page->leaks, "similarity");
	if (page->nlengths == 1 && hsfeed_value_len(hsfeed_value_get(page->show, "roles")) > 1)
		put_option(page, "role", get_str(page->lengths[0], "role"));
	if (max_length && max_length != USUAL_LENGTH)
		html(page->out, " --max-length %llu", (unsigned long long)max_length);
	if (similarity == USUAL_SIMILARITY || (!page->plan_name && hsfeed_value_get(plan, "duplicates")))
		return; // the usual one, or that of the plan, which stands there already
	html(page->out, " --similarity ");
	json_f64(page->out, similarity);
}

static void fold_command(const struct page *page, const hsfeed_value *plan, const char *command)
{
	html(page->out, "hsfeed %s ", command);
	put_ref(page);
	put_plan_options(page, plan);
}

static void fold_commands(const struct page *page, const hsfeed_value *plan)
{
	html(page->out, "<pre class=\"command\">");
	fold_command(page, plan, "folds");
	html(page->out, " --indices\n");
	fold_command(page, plan, "stream");
	html(page->out, " --fold 0 --format none\n");
	fold_command(page, plan, "report");
	put_report_options(page, plan);
	html(page->out, " -o report.html");
	html(page->out, "</pre>\n");
}

// ---- Python ----

static void put_python(const struct page *page, const hsfeed_value *value)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *memory = open_memstream(&text, &bytes);
	if (!memory)
		return;
	if (hsfeed_value_type(value) == HSFEED_BOOL)
		fputs(hsfeed_value_bool(value, 0) ? "True" : "False", memory);
	else
		json_value(memory, value); // strings, numbers and lists of them are the same in both
	if (fclose(memory) == 0)
		html_text(page->out, text, bytes);
	free(text);
}

static void python(const struct page *page, const hsfeed_value *plan)
{
	html(page->out, "<pre>ds = db.dataset(\"");
	put_ref(page);
	html(page->out, "\")\ntrain, val = ds.loaders(fold=0, plan=");
	if (page->plan_name) {
		html(page->out, "&quot;%s&quot;)</pre>\n", page->plan_name);
		return;
	}
	for (size_t i = 0; i < hsfeed_value_len(plan); i++) {
		html(page->out, "%s\"%s\": ", i ? ", " : "{", hsfeed_value_key(plan, i));
		put_python(page, hsfeed_value_at(plan, i));
	}
	html(page->out, "})</pre>\n");
}

static void plan_words(const struct page *page, const hsfeed_value *plan)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *memory = open_memstream(&text, &bytes);
	if (!memory)
		return;
	put_plan(memory, plan);
	if (fclose(memory) == 0)
		html(page->out, "<p>The plan of this page%s%s: %s.</p>\n", page->plan_name ? ", saved as " : "",
		     page->plan_name ? page->plan_name : "", text);
	free(text);
}

void page_repeat(const struct page *page)
{
	const hsfeed_value *plan = hsfeed_value_get(page->folds, "plan");
	section(page, "repeat", "The same again",
		"The same bytes, options and tokenizers give the same version, and the same plan the same folds, on "
		"any "
		"machine. These are the commands.",
		NULL);
	plan_words(page, plan);
	html(page->out, "<h3>These folds</h3>\n");
	fold_commands(page, plan);
	html(page->out, "<h3>In Python</h3>\n");
	python(page, plan);
	html(page->out, "<h3>This version, from the file</h3>\n");
	ingest_command(page);
	section_end(page);
}

// ---- colophon ----

static void id_row(const struct page *page, const char *term, const char *name, const char *id)
{
	html(page->out, "<dt>%s", term);
	if (name) {
		html(page->out, " ");
		html_name(page->out, name);
	}
	html(page->out, "</dt><dd class=\"id\">%s</dd>\n", id);
}

void page_colophon(const struct page *page)
{
	const hsfeed_value *roles = hsfeed_value_get(page->show, "roles");
	html(page->out, "<footer>\n<dl>\n");
	id_row(page, "Version", NULL, get_str(version_of(page), "version"));
	for (size_t i = 0; i < hsfeed_value_len(roles); i++)
		id_row(page, "Encoding", get_str(hsfeed_value_at(roles, i), "role"),
		       get_str(hsfeed_value_at(roles, i), "encoding"));
	html(page->out, "</dl>\n<p>Made by hsfeed %s on %s. ", HSFEED_VERSION_STRING,
	     fmt_time((uint64_t)time(NULL) * 1000));
	html(page->out, "The page holds numbers, names and line numbers, never the texts themselves; it loads nothing "
			"and runs nothing.</p>\n</footer>\n");
}
