"""The characters of the subset: code page 932 without its private use area, Latin-1, and a few more."""

import sys

characters = {chr(code) for code in range(0x20, 0x7F)} | {chr(code) for code in range(0xA0, 0x100)}
for lead in [*range(0x81, 0xA0), *range(0xE0, 0xFD)]:
    for trail in range(0x40, 0xFD):
        try:
            characters.update(bytes([lead, trail]).decode("cp932"))
        except UnicodeDecodeError:
            pass
characters.update("〓−–—‐¥€…々〆髙﨑塚吉𠮷①②③")
sys.stdout.write("".join(sorted(c for c in characters if not 0xE000 <= ord(c) <= 0xF8FF)))
