#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the demo's data, the same bytes on every machine: comments.csv and tokenizer/. Standard library only.

comments.csv: everyday sentences in Bengali and English, composed from the word lists below, with what real files have:
quoted newlines, commas and quotes, missing texts and labels, duplicates, duplicates with another label, and the letters
U+09DC, U+09DD and U+09DF, which many keyboards type and Unicode's NFC takes apart.
tokenizer/: a WordPiece vocabulary trained on the NFC form of that text, as Hugging Face saves one. It knows none of the
three letters, so the ingest report has something to say about --normalize nfc.

usage: make_demo.py [--check] [FOLDER]      the default is the folder of this script
--check writes nothing there and exits 1 when the files are not what would be written.
"""
import csv
import json
import random
import re
import sys
import tempfile
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

ROWS = 4000
VOCABULARY = 1000
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

BENGALI_WORDS = {
    "place": "ঢাকায়|চট্টগ্রামে|সিলেটে|খুলনায়|রাজশাহীতে|বরিশালে|"
             "কলকাতায়|শিলিগুড়িতে|আমাদের গ্রামে|পাহাড়ে|নদীর ধারে|আমাদের পাড়ায়",
    "past": "আজ সকালে|গতকাল বিকেলে|কাল রাতে|গত সপ্তাহে|শুক্রবার দুপুরে|রবিবার সন্ধ্যায়|আজ ভোরে",
    "future": "আগামীকাল|আজ বিকেলে|শনিবার|আগামী সপ্তাহে|ছুটির দিনে|সোমবার সকালে",
    "elder": "বাবা|মা|দাদু|নানি|বড় চাচা|ছোট খালা|আমাদের শিক্ষক|পাশের বাড়ির কাকা",
    "friend": "আমার ভাই|আমার বোন|আমার বন্ধু|ছোট মামা|আমার সহপাঠী|পাড়ার এক বন্ধু",
    "rain": "হালকা বৃষ্টি|ঝিরঝিরে বৃষ্টি|একটু ঝড়|ভারী বৃষ্টি|ঠান্ডা হাওয়া",
    "sky": "পরিষ্কার|মেঘলা|নীল|রোদেলা|কুয়াশায় ঢাকা",
    "feel": "গরম|ঠান্ডা|আরামদায়ক|ঝকঝকে",
    "dish": "খিচুড়ি|মসুর ডাল|ইলিশ ভাজা|আলুর দম|পায়েস|লুচি|পরোটা|"
            "শিঙাড়া|মিষ্টি দই|রসগোল্লা|বেগুন ভাজা|ভাপা পিঠা|মুড়ি মাখা|সবজি পোলাও",
    "team": "আমাদের পাড়ার দল|স্কুলের দল|লাল দল|সবুজ দল|কলেজের মেয়েদের দল|পাশের গ্রামের দল",
    "subject": "বাংলা|গণিত|বিজ্ঞান|ইতিহাস|ভূগোল|ইংরেজি|চারুকলা|সংগীত",
    "thing": "আলু|পেঁয়াজ|টমেটো|আদা|রসুন|ধনেপাতা|কাঁচা মরিচ|মটরশুঁটি|গাজর|কুমড়া|লাউ|ফুলকপি|বাঁধাকপি|ঢেঁড়স",
    "flower": "গোলাপ|গাঁদা|জবা|শিউলি|বেলি|সূর্যমুখী|রজনীগন্ধা|কৃষ্ণচূড়া|দোলনচাঁপা",
    "small": "১|২|৩|৪|৫",
    "number": "৩|৬|৭|৮|১২|১৫|২৭|৩৬",
    "minutes": "পাঁচ|দশ|পনেরো|কুড়ি|ত্রিশ|চল্লিশ",
    "price": "৩০|৪০|৪৫|৬০|৮০|১০০|১২০",
}
BENGALI = {
    "weather": (
        ["{past} {place} {rain} হয়েছে।", "{past} আকাশ {sky} ছিল।", "{place} আবহাওয়া এখন বেশ {feel}।",
         "{past} {place} রংধনু দেখা গেছে।", "আষাঢ় মাসে {place} প্রায়ই {rain} হয়।"],
        ["{place} কি এখন {rain} হচ্ছে?", "{future} {place} আবহাওয়া কেমন থাকবে?", "{future} কি ছাতা নিয়ে বেরোতে হবে?",
         "{future} আকাশ কি {sky} থাকবে?"]),
    "food": (
        ["{past} {elder} {dish} রান্না করেছেন।", "{place} খুব ভালো {dish} পাওয়া যায়।",
         "{dish} আমার সবচেয়ে প্রিয় খাবার।",
         "{dish} আর {dish} একসঙ্গে দারুণ লাগে।", "{friend} {past} পেট ভরে {dish} খেয়েছে।"],
        ["{place} ভালো {dish} কোথায় পাওয়া যায়?", "{elder} কি {future} {dish} রান্না করবেন?",
         "তোমার কি {dish} ভালো লাগে?",
         "{future} {dish} খেতে যাবে?"]),
    "football": (
        ["{past} {team} {small}-০ গোলে জিতেছে।", "{friend} {past} দারুণ একটা গোল করেছে।",
         "{past} {place} খেলাটা ড্র হয়েছে।",
         "{team} এবার খুব গুছিয়ে খেলছে।", "গাঢ় নীল জার্সিতে {team} মাঠে নেমেছে।"],
        ["{future} খেলা কয়টায় শুরু হবে?", "{team} কি {future} মাঠে নামবে?", "{past} {team} কয় গোলে জিতেছে?",
         "{place} খেলা দেখতে কে কে যাবে?"]),
    "buses": (
        ["{number} নম্বর বাস {past} {minutes} মিনিট দেরিতে এসেছে।", "{place} যেতে বাসে {minutes} মিনিট লাগে।",
         "{past} {number} নম্বর বাসে অনেক জায়গা ছিল।", "{elder} {past} বাসে করে {place} গেছেন।"],
        ["{number} নম্বর বাস কখন ছাড়বে?", "{place} যাওয়ার বাস কোথা থেকে ছাড়ে?",
         "{number} নম্বর বাস কি {place} থামে?",
         "{future} কি {number} নম্বর বাস চলবে?"]),
    "school": (
        ["{past} {subject} ক্লাসে নতুন একটা অধ্যায় পড়েছি।", "{elder} {subject} খুব সহজ করে বোঝান।",
         "{friend} {subject} পরীক্ষায় ভালো করেছে।", "{past} পাঠাগারে বসে {subject} পড়েছি।"],
        ["{future} কি {subject} পরীক্ষা আছে?", "{subject} বইটা কার কাছে আছে?",
         "{past} {subject} ক্লাসে কী পড়া হয়েছে?",
         "{friend} কি {future} স্কুলে যাবে?"]),
    "cooking": (
        ["প্রথমে {thing} কেটে {minutes} মিনিট ভেজে নিন।", "{dish} নামানোর আগে একটু {thing} দিন।",
         "{thing} আর {thing} একসঙ্গে {minutes} মিনিট সেদ্ধ করুন।", "{dish} বানাতে মোটে {minutes} মিনিট লাগে।"],
        ["{dish} রান্নায় কি {thing} দিতে হয়?", "{thing} কতক্ষণ সেদ্ধ করব?", "{dish} বানাতে কত সময় লাগে?",
         "{thing} না থাকলে কি {thing} দেওয়া যায়?"]),
    "market": (
        ["{place} আজ {thing} {price} টাকা কেজি।", "{past} বাজারে টাটকা {thing} উঠেছে।",
         "{elder} {past} বাজার থেকে {thing} আর {thing} এনেছেন।", "আড়াই কেজি {thing} {price} টাকায় পেয়েছি।"],
        ["{thing} আজ কত করে কেজি?", "{future} কি {place} বাজার খোলা থাকবে?", "{place} টাটকা {thing} কোথায় পাব?",
         "{price} টাকায় কতটা {thing} পাওয়া যাবে?"]),
    "garden": (
        ["আমাদের বাগানে {past} {flower} ফুটেছে।", "{elder} {past} {flower} গাছ লাগিয়েছেন।",
         "{place} এখন চারদিকে {flower} আর {flower}।", "{friend} রোজ {flower} গাছে পানি দেয়।"],
        ["{flower} গাছে দিনে কতবার পানি দিতে হয়?", "{flower} কোন ঋতুতে ফোটে?", "{place} কি {flower} চারা পাওয়া যায়?",
         "{friend} কি {future} {flower} লাগাবে?"]),
}

ENGLISH_WORDS = {
    "place": "in the old town|by the river|on the hill|near the station|"
             "in our village|at the lake|in the north|by the sea",
    "past": "yesterday|this morning|last night|on Friday|last week|on Sunday|two days ago",
    "future": "tomorrow|tonight|on Saturday|next week|on Monday|this afternoon",
    "elder": "my mother|my father|my aunt|our teacher|my uncle|the neighbour|grandmother",
    "friend": "my brother|my sister|a friend|my cousin|a classmate|my flatmate",
    "rain": "light rain|a short shower|some fog|a warm breeze|a little snow",
    "sky": "clear|cloudy|bright blue|grey|full of stars",
    "feel": "warm|cool|pleasant|windy|calm",
    "dish": "lentil soup|fried rice|rice pudding|vegetable curry|"
            "flat bread|fish stew|apple pie|potato salad|sweet yoghurt",
    "team": "the red team|the school team|our club|the green side|the village team|the girls' eleven",
    "subject": "maths|history|science|geography|music|English|art|Bengali",
    "thing": "potatoes|onions|tomatoes|ginger|garlic|peas|carrots|pumpkin|spinach|beans|mushrooms",
    "flower": "roses|marigolds|sunflowers|jasmine|lilies|tulips|daisies",
    "small": "1|2|3|4|5",
    "number": "3|6|7|8|12|15|27|36",
    "minutes": "five|ten|fifteen|twenty|thirty|forty",
    "price": "30|40|45|60|80|100|120",
}
ENGLISH = {
    "weather": (
        ["There was {rain} {place} {past}.", "The sky was {sky} {past}.", "It is quite {feel} {place}.",
         "We saw a rainbow {place} {past}."],
        ["Will it be {feel} {place} {future}?", "Is there {rain} {place}?", "Do I need an umbrella {future}?",
         "Was the sky {sky} {place} {past}?"]),
    "food": (
        ["{elder} made {dish} {past}.", "The {dish} {place} is very good.", "{dish} is my favourite meal.",
         "{dish} goes well with {dish}, and with tea."],
        ["Where can I find good {dish} {place}?", "Will {elder} make {dish} {future}?", "Do you like {dish}?",
         "Shall we have {dish} {future}?"]),
    "football": (
        ["{team} won {small}-0 {past}.", "{friend} scored a lovely goal {past}.",
         "The match {place} was a draw {past}.",
         "{team} played very well {past}."],
        ["When does the match start {future}?", "Will {team} play {future}?", "Who wants to watch {team} {place}?",
         "How many goals did {team} score {past}?"]),
    "buses": (
        ["Bus {number} was {minutes} minutes late {past}.", "The ride takes {minutes} minutes by bus {number}.",
         "There were plenty of seats on bus {number} {past}.", "{elder} took bus {number} {past}."],
        ["When does bus {number} leave {future}?", "Does bus {number} stop {place}?",
         "Where is the stop of bus {number}?",
         "Will bus {number} run {future}?"]),
    "school": (
        ["We began a new chapter in {subject} {past}.", "{elder} explains {subject} very well.",
         "{friend} did well in the {subject} test.", "I read about {subject} in the library {past}."],
        ["Is there a {subject} test {future}?", "Who has the {subject} book?", "What did we read in {subject} {past}?",
         "Will {friend} come to school {future}?"]),
    "cooking": (
        ["First chop the {thing}, then fry for {minutes} minutes.", "Add some {thing} before you serve the {dish}.",
         "Boil the {thing} and the {thing} for {minutes} minutes.", "The {dish} takes only {minutes} minutes."],
        ["Do you put {thing} into {dish}?", "How long should I boil the {thing}?", "How long does {dish} take?",
         "Can I use {thing} instead of {thing}?"]),
    "market": (
        ["{thing} cost {price} a kilo {place}.", "Fresh {thing} came to the market {past}.",
         "{elder} brought {thing} and {thing} from the market {past}.", "I paid {price} for the {thing} {past}."],
        ["How much are {thing} today?", "Is the market {place} open {future}?",
         "Where can I buy fresh {thing} {place}?",
         "Are {price} enough for the {thing}?"]),
    "garden": (
        ["The {flower} in our garden opened {past}.", "{elder} planted {flower} {past}.",
         "There are {flower} and {flower} everywhere {place}.", "{friend} waters the {flower} every day."],
        ["How often do {flower} need water?", "In which season do {flower} open?", "Can one buy {flower} {place}?",
         "Will {friend} plant {flower} {future}?"]),
}
QUOTED = {"bn": '{0} বলল, "{1}"', "en": '{0} said: "{1}"'}
RARE = ["☀", "🌧", "⚽", "🌻", "☕"]  # a few characters that the vocabulary does not have


def nfc(text):
    return unicodedata.normalize("NFC", text)


def precomposed(text):
    """The three letters as one code point each, the way many keyboards type them; NFC never makes these."""
    for base, letter in (("\u09a1", "\u09dc"), ("\u09a2", "\u09dd"), ("\u09af", "\u09df")):
        text = text.replace(base + "\u09bc", letter)
    return text


class Writer:
    """Sentences in both languages, from one seeded generator."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.languages = {"bn": (BENGALI, split_words(BENGALI_WORDS)), "en": (ENGLISH, split_words(ENGLISH_WORDS))}

    def sentence(self, language, topic, question):
        templates, words = self.languages[language]
        return self.fill(self.random.choice(templates[topic][question]), words)

    def fill(self, template, words):
        """Fills each slot with a word that the sentence does not have yet."""
        used = set()

        def choose(match):
            word = self.random.choice([w for w in words[match.group(1)] if w not in used])
            used.add(word)
            return word

        text = re.sub(r"\{(\w+)\}", choose, template)
        return nfc(text[0].upper() + text[1:])

    def comment(self):
        """One row: (text, is it a question?, topic)."""
        language = "bn" if self.random.random() < 0.6 else "en"
        topic = self.random.choice(sorted(BENGALI))
        question = int(self.random.random() < 0.36)
        text = self.sentence(language, topic, question)
        shape = self.random.random()
        if shape < 0.15:
            text = self.sentence(language, topic, 0) + " " + text
        elif shape < 0.20:
            text = self.sentence(language, topic, 0) + "\n" + text
        elif shape < 0.24:
            text = QUOTED[language].format(self.fill("{friend}", self.languages[language][1]), text)
        elif shape < 0.25:
            text += " " + self.random.choice(RARE)
        if self.random.random() < 0.4:
            text = precomposed(text)
        return text, question, topic


def split_words(table):
    return {name: words.split("|") for name, words in table.items()}


def make_rows(seed=2024):
    writer = Writer(seed)
    rows, seen = [], set()
    while len(rows) < ROWS - 120:
        row = writer.comment()
        if row[0] not in seen:
            seen.add(row[0])
            rows.append([row[0], str(row[1]), row[2]])
    spoil(rows, writer.random)
    writer.random.shuffle(rows)
    return rows


def spoil(rows, rng):
    """What real files have: copies, copies that disagree, and cells that are not there."""
    originals = rng.sample(rows, 120)
    for row in originals[:105]:
        rows.append(list(row))
    for row in originals[105:]:
        rows.append([row[0], str(1 - int(row[1])), row[2]])
    holes = rng.sample(rows, 30)
    for row, word in zip(holes[:18], ["", "", "", "NA", "null", ""] * 3):
        row[0] = word
    for row in holes[18:]:
        row[1] = ""


# The trainer: byte-pair merging over words, as WordPiece vocabularies are made by Hugging Face's trainer too.

def words_of(text):
    """BERT's pre-tokenizer for what these texts have: white space, and every punctuation mark or symbol alone."""
    for word in text.split():
        yield from re.findall(r"[^\W_]+(?:[\u0981-\u0983\u09bc-\u09cd\u09d7\u200c\u200d]+[^\W_]*)*|\S", word)


def train(texts):
    counts = Counter(word for text in texts for word in words_of(nfc(text)))
    letters = Counter()
    for word, count in counts.items():
        for i, c in enumerate(word):
            letters["##" + c if i else c] += count
    alphabet = sorted(token for token, count in letters.items() if count >= 20)
    vocabulary = SPECIAL + alphabet
    pieces = {w: [c if i == 0 else "##" + c for i, c in enumerate(w)] for w in sorted(counts)}
    while len(vocabulary) < VOCABULARY:
        pair = best_pair(pieces, counts)
        if pair is None:
            break
        token = pair[0] + pair[1].removeprefix("##")
        if token not in vocabulary:
            vocabulary.append(token)
        for word, parts in pieces.items():
            if pair[0] in parts:
                pieces[word] = merge(parts, pair, token)
    return vocabulary


def best_pair(pieces, counts):
    """The most frequent neighbours; of equals the smaller ones, so that every run gives the same vocabulary."""
    pairs = defaultdict(int)
    for word, parts in pieces.items():
        for pair in zip(parts, parts[1:]):
            pairs[pair] += counts[word]
    if not pairs:
        return None
    return min(pairs, key=lambda pair: (-pairs[pair], pair))


def merge(parts, pair, token):
    out, i = [], 0
    while i < len(parts):
        if tuple(parts[i:i + 2]) == pair:
            out.append(token)
            i += 2
        else:
            out.append(parts[i])
            i += 1
    return out


# The files.

def write_csv(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["Comments", "Question", "Topic"])
        out.writerows(rows)


def tokenizer_json(vocabulary):
    ids = {token: i for i, token in enumerate(vocabulary)}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    piece = lambda kind, name, segment: {kind: {"id": name, "type_id": segment}}
    single = [piece("SpecialToken", "[CLS]", 0), piece("Sequence", "A", 0), piece("SpecialToken", "[SEP]", 0)]
    pair = single + [piece("Sequence", "B", 1), piece("SpecialToken", "[SEP]", 1)]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": ids[token], "content": token, **flags} for token in SPECIAL],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": False},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing", "single": single, "pair": pair,
            "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in ("[CLS]", "[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": ids},
    }


def write_tokenizer(folder, vocabulary):
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")}
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "strip_accents": None,
              "tokenize_chinese_chars": True, "model_max_length": 128, "padding_side": "right",
              "truncation_side": "right", **names}
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("".join(token + "\n" for token in vocabulary), encoding="utf-8")
    for name, value in (("tokenizer.json", tokenizer_json(vocabulary)), ("tokenizer_config.json", config),
                        ("special_tokens_map.json", names)):
        (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def make(folder):
    rows = make_rows()
    write_csv(folder / "comments.csv", rows)
    write_tokenizer(folder / "tokenizer", train([row[0] for row in rows]))


def check(folder):
    """The names of the files that differ from what the script makes."""
    with tempfile.TemporaryDirectory() as fresh:
        make(Path(fresh))
        made = sorted(path.relative_to(fresh) for path in Path(fresh).rglob("*") if path.is_file())
        return [str(p) for p in made if not same_bytes(Path(fresh, p), folder / p)]


def same_bytes(a, b):
    return b.is_file() and a.read_bytes() == b.read_bytes()


def main(argv):
    checking = "--check" in argv
    folders = [a for a in argv if a != "--check"]
    folder = Path(folders[0]) if folders else Path(__file__).resolve().parent
    if not checking:
        make(folder)
        return 0
    stale = check(folder)
    for name in stale:
        print(f"{folder / name} is not what make_demo.py makes: run it, or undo the change")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
