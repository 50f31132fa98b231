"""Texts that find differences between tokenizers: all planes, control characters, scripts side by side."""
ALPHABETS = ("abcdefghij ABC  \n", "0123456789 .,-", " \t\n\r  ", "'s't're've'll.,!?;:-()[]{}<>/\\|@#$%^&*_+=~`\"", "äöüßéèñçøåÀÉÎ ",
             "привет мир ПРИВЕТ", "你好世界漢字，。", "こんにちはカタカナ", "안녕하세요", "مرحبا بالعالم", "שלום", "नमस्ते", "สวัสดี", "🦙🚀😀👨‍👩‍👧🏽",
             "\u0301\u0308\u200d\u200b\u00a0\u3000\u2028", "①²½Ⅷ٣", "def f(x): return x+1\n    if")


def random_text(rng):
    parts = []
    for _ in range(rng.randrange(1, 8)):
        if rng.random() < 0.2:  # any plane, control characters
            parts.append("".join(chr(c) for c in (rng.choice((rng.randrange(0x80), rng.randrange(0x3000), rng.randrange(0x110000))) for _ in range(rng.randrange(1, 6)))
                                 if not 0xD800 <= c < 0xE000))
        else:
            alphabet = rng.choice(ALPHABETS)
            parts.append("".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 16))))
    return "".join(parts)
