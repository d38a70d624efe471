//! The texts of the vectors.

/// The texts by name.
pub(super) fn texts() -> Vec<(&'static str, String)> {
    vec![
        ("empty", String::new()),
        ("byte", "a".to_owned()),
        ("short", "The theory of the other theatre, in short.".to_owned()),
        ("prose", PROSE.to_owned()),
        ("unicode", UNICODE.to_owned()),
        ("crlf", CRLF.to_owned()),
        ("special", SPECIAL.to_owned()),
        ("runs", runs()),
    ]
}

/// Texts only for czip v2, by name. The vector of tokens, which takes UTF-8, has only the texts above.
pub(super) fn more_texts() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("json", json().into_bytes()),
        ("octets", octets()),
        ("repeats", repeats().into_bytes()),
    ]
}

/// A passage that repeats itself, something else, and most of the passage again.
fn repeats() -> String {
    let prose = PROSE.repeat(5);
    [&prose, &json(), &prose[100..5000]].concat()
}

/// Lines with fields that repeat, and numbers that grow.
fn json() -> String {
    let line = |number: usize| {
        let name = ["oats", "barley", "rye", "spelt"][number % 4];
        let (sacks, over) = (12 * number + 7, number * number % 13);
        format!(
            "{{\"day\":{number},\"grain\":\"{name}\",\"sacks\":{sacks},\"over\":{over},\"wet\":{}}}\n",
            over > 6
        )
    };
    (1..=14).map(line).collect()
}

/// Line ends of Windows, invalid UTF-8 and zeros, in records and by themselves.
fn octets() -> Vec<u8> {
    let mut bytes = CRLF.as_bytes().to_vec();
    bytes.extend_from_slice(b"\xf0\x9f\x98 \xe2\x82\xff\xfe\xc0\x80 caf\xe9\r\nna\xefve\r\n\xed\xa0\x80\r\n");
    for number in 0u16..24 {
        bytes.extend_from_slice(b"\0\x80row");
        bytes.extend_from_slice(&(900 + 7 * number).to_le_bytes());
        bytes.extend_from_slice(&[0, 0, 0xff, (number / 5) as u8, b'\r', b'\n']);
    }
    bytes.extend_from_slice(&[0; 40]);
    bytes
}

const PROSE: &str = "\
The miller counted his sacks by tens, and his daughter counted them by dozens, and for years nobody in the valley \
noticed that their books never agreed. When the reeve came up the hill in the autumn of the long rain, he asked for \
the total, and each of them gave it at once, in a clear voice, and the two numbers were not the same.

\"One of you is wrong,\" said the reeve.

\"Neither of us is,\" said the daughter. \"A number isn't a heap of sacks; it's a way of going through the heap. He goes \
through it on his fingers, and I go through it on the joints of mine. There's a thumb between us, that's all.\"

The reeve didn't like it. He'd been told to bring home a figure, 1,728 or 1,440 or whatever it was, and he couldn't \
carry two. So they emptied the barn, in the wet, and laid the sacks in rows along the lane: a row of 12, and another, \
and another, until there were 12 rows; and beside them rows of 10. It took them from noon until the lamps were lit. The \
horses stood and steamed. Somebody brought soup.

In the end there were three sacks that fitted into neither pattern, and these they gave to the reeve, who'd got very \
cold. He wrote in his book: \"The same, both ways, and 3 over,\" which was more than the book had ever held before; and \
under it, smaller, because he was an honest man: \"I'll never ask again.\"

Since then it's been the custom of the valley to count everything twice, by two people who don't use the same hand. \
If they agree, it's written down. If they don't, the rain is waited for, and the soup is put on, and the rows are laid \
out again from the beginning -- not to find who was wrong, but to find the three sacks.
";

const UNICODE: &str = concat!(
    "Ünïcödé naïve café — “quotes”… ‘don’t’ DON'T 'ſ 'S\n",
    "日本語の文章、Ελληνικά, Русский, العربية, हिन्दी, 한국어\n",
    "e\u{301} a\u{308}o\u{328} \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{1f1ee}\u{1f1f8} \u{10ffff}\u{0}\n",
    "١٢٣٤ ⅷ ² ½ 𝟘𝟙𝟚𝟛 x\u{1c}\u{1f}y\u{85}\u{a0}\u{2003}\u{3000} \u{2028}z\u{feff}",
);

const CRLF: &str = "first line\r\n  second\tline\r\n\r\n\r\nthird\rfourth\n\r fifth \r\n \r\n";

const SPECIAL: &str = "<|bos|>a<|eos|><|eos|> the <|bos|<|bos|>|>  <|BOS|> 'l<|bos|>l <|eos|  <|eos|>";

fn runs() -> String {
    let run = |unit: &str, count| unit.repeat(count);
    [
        run("a", 200),
        run(" ", 70),
        run("0123456789", 5),
        run("!", 33),
        run("\n", 40),
        run("\t ", 20),
        run("the", 30),
        run(" vector", 9),
        run("\r\n", 17),
        run("é", 25),
        run(" ", 9),
    ]
    .concat()
}
