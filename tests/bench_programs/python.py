# Dictionaries, strings, JSON and objects.
import json


class Account:
    def __init__(self, number, owner):
        self.number = number
        self.owner = owner
        self.entries = []

    def book(self, day, text, amount):
        self.entries.append({"day": day, "text": text, "amount": amount})


def words(count, state=1):
    for _ in range(count):
        state = state * 16807 % 2147483647
        yield "w%x" % (state % 60000)


def index():
    places = {}
    for at, word in enumerate(words(150000)):
        places.setdefault(word, []).append(at)
    return sum(len(p) * (i + 1) % 97 for i, p in enumerate(sorted(places.values())))


def accounts():
    bank = [Account(i, "owner number %d" % i) for i in range(1500)]
    for i, word in enumerate(words(60000, 7)):
        bank[i * 7919 % 1500].book(i % 365, word * 3, i % 1000 - 500)
    text = json.dumps([vars(a) for a in bank])
    back = json.loads(text)
    return len(text), sum(e["amount"] for a in back for e in a["entries"])


def text():
    lines = [" ".join(words(12, i + 1)) for i in range(8000)]
    page = "\n".join(lines).replace("w1", "the ").upper()
    longest = ""
    for line in page.split("\n"):
        longest = max(longest, line, key=len)
        longest = longest + line[:4] if len(longest) < 500 else longest[1:]
    return len(page), len(set(page.split())), len(longest)


print(index(), accounts(), text())
