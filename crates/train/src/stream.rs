//! Tokenised text: documents go in; one stream of tokens comes out, which is cut into sequences for the net.

use czip_tokenizer::Tokenizer;

use crate::corpus::Document;
use crate::parameters::Random;
use crate::tape::Sequence;

/// A tokenised text: documents one after the other, each preceded by a start token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// The start token.
    pub start_token: u32,
    /// Bytes of the text.
    pub bytes: usize,
}

/// The first tokens of a sequence that begins in the middle of a document are predicted from too little context, and do
/// not count towards the cost.
const UNCOUNTED: usize = 16;

impl Stream {
    /// Tokenises documents, in a random order if there is a seed, up to about `max_tokens` tokens.
    ///
    /// # Errors
    ///
    /// A text that the tokenizer refuses.
    pub fn from_documents(
        tokenizer: &Tokenizer,
        start_token: u32,
        documents: &[Document],
        seed: Option<u64>,
        max_tokens: usize,
    ) -> Result<Self, czip_tokenizer::Error> {
        let mut order: Vec<usize> = (0..documents.len()).collect();
        if let Some(seed) = seed {
            Random(seed).shuffle(&mut order);
        }
        let mut stream = Self {
            start_token,
            ..Self::default()
        };
        for index in order {
            let text = &documents[index].text;
            // Most tokens have fewer than eight bytes, so this is enough to reach the limit.
            let mut end = text
                .len()
                .min((max_tokens - stream.tokens.len()).saturating_mul(8));
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            stream.tokens.push(start_token);
            tokenizer.encode_ordinary(&text[..end], &mut stream.tokens)?;
            stream.bytes += end;
            if stream.tokens.len() >= max_tokens {
                break;
            }
        }
        Ok(stream)
    }

    /// Tokens that are predicted: all but the start tokens.
    #[must_use]
    pub fn predicted(&self) -> usize {
        self.tokens
            .iter()
            .filter(|&&token| token != self.start_token)
            .count()
    }

    /// The number of sequences of `len` predictions from `offset` on. The last may be shorter.
    pub(crate) fn sequence_count(&self, offset: usize, len: usize) -> usize {
        self.tokens.len().saturating_sub(1 + offset).div_ceil(len)
    }

    /// Prepares the sequence with that index: up to `len + 1` tokens, all but the first of which are predicted.
    pub(crate) fn prepare(&self, offset: usize, index: usize, len: usize, prepared: &mut Prepared) {
        let from = offset + index * len;
        let to = (from + len + 1).min(self.tokens.len());
        prepared.from = from;
        prepared.to = to;
        prepared.starts.clear();
        prepared.counted.clear();
        let tokens = &self.tokens[from..to];
        let mut start = 0;
        for (position, &token) in tokens[..tokens.len() - 1].iter().enumerate() {
            if token == self.start_token {
                start = position as u32;
            }
            prepared.starts.push(start);
            let has_context = start > 0 || tokens[0] == self.start_token || position >= UNCOUNTED;
            prepared
                .counted
                .push(has_context && tokens[position + 1] != self.start_token);
        }
    }
}

/// One sequence, ready for the net. It is reused for the next.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    from: usize,
    to: usize,
    /// For each position, where its document starts in the sequence.
    starts: Vec<u32>,
    /// For each position, whether the prediction of the next token counts.
    counted: Vec<bool>,
}

impl Prepared {
    pub(crate) fn sequence<'a>(&'a self, stream: &'a Stream) -> Sequence<'a> {
        Sequence {
            tokens: &stream.tokens[self.from..self.to],
            starts: &self.starts,
            counted: &self.counted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u32 = 9;

    fn stream(tokens: Vec<u32>) -> Stream {
        Stream {
            tokens,
            start_token: START,
            bytes: 0,
        }
    }

    /// The tokens, starts and counted positions of a sequence.
    fn prepared(
        stream: &Stream,
        offset: usize,
        index: usize,
        len: usize,
    ) -> (Vec<u32>, Vec<u32>, Vec<usize>) {
        let mut prepared = Prepared::default();
        stream.prepare(offset, index, len, &mut prepared);
        let sequence = prepared.sequence(stream);
        let counted = sequence.counted.iter().enumerate();
        (
            sequence.tokens.to_vec(),
            sequence.starts.to_vec(),
            counted.filter_map(|(at, &counts)| counts.then_some(at)).collect(),
        )
    }

    #[test]
    fn sequences_overlap_by_the_token_between_them() {
        let stream = stream(vec![START, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(stream.predicted(), 7);
        assert_eq!(stream.sequence_count(0, 3), 3);
        assert_eq!(prepared(&stream, 0, 0, 3).0, [START, 1, 2, 3]);
        assert_eq!(prepared(&stream, 0, 1, 3).0, [3, 4, 5, 6]);
        assert_eq!(prepared(&stream, 0, 2, 3).0, [6, 7]);
        assert_eq!(prepared(&stream, 2, 1, 3).0, [5, 6, 7]);
        assert_eq!(
            [0, 1, 4, 5, 6, 7, 8].map(|offset| stream.sequence_count(offset, 3)),
            [3, 2, 1, 1, 1, 0, 0]
        );
    }

    #[test]
    fn documents_are_told_apart() {
        let stream = stream(vec![START, 1, 2, START, 3, 4]);
        let (_, starts, counted) = prepared(&stream, 0, 0, 5);
        assert_eq!(starts, [0, 0, 0, 3, 3]);
        // The start token is not predicted.
        assert_eq!(counted, [0, 1, 3, 4]);
    }

    #[test]
    fn the_first_sixteen_predictions_need_the_start_of_their_document() {
        let mut tokens = vec![1; 40];
        let all: Vec<usize> = (0..39).collect();
        assert_eq!(prepared(&stream(tokens.clone()), 0, 0, 39).2, all[16..]);
        // A document that starts within the sequence counts from its start.
        tokens[5] = START;
        let (_, starts, counted) = prepared(&stream(tokens.clone()), 0, 0, 39);
        assert_eq!((starts[4], starts[5], starts[38]), (0, 5, 5));
        assert_eq!(counted, all[5..]);
        tokens[0] = START;
        tokens[5] = 1;
        assert_eq!(prepared(&stream(tokens), 0, 0, 39).2, all);
    }

    #[test]
    fn documents_become_a_stream() {
        let json = crate::bpe::train(
            ["ab"],
            &crate::bpe::BpeOptions {
                vocab_size: 258,
                split: crate::bpe::Split::Text,
            },
        )
        .unwrap()
        .json;
        let tokenizer = Tokenizer::from_json(&json).unwrap();
        let start = tokenizer.special_token(crate::bpe::BOS).unwrap();
        let documents: Vec<Document> = ["ab", "é", "cde"]
            .map(|text| Document {
                text: text.to_owned(),
                source: crate::corpus::Source {
                    path: std::path::Path::new("-").into(),
                    line: None,
                },
            })
            .into();
        let stream = |seed, most| Stream::from_documents(&tokenizer, start, &documents, seed, most).unwrap();
        let whole = stream(None, usize::MAX);
        assert_eq!((whole.tokens.len(), whole.bytes, whole.predicted()), (10, 7, 7));
        assert_eq!(
            (whole.tokens[0], whole.tokens[3], whole.tokens[6]),
            (start, start, start)
        );
        // The document that reaches the limit is the last.
        assert_eq!(stream(None, 4).tokens, whole.tokens[..6]);
        assert_eq!(stream(None, 3).tokens, whole.tokens[..3]);
        // A seed changes the order and nothing else.
        let orders: Vec<Stream> = (0..8).map(|seed| stream(Some(seed), usize::MAX)).collect();
        assert!(orders.iter().any(|order| order.tokens != whole.tokens));
        assert!(
            orders
                .iter()
                .all(|order| order.bytes == 7 && order.predicted() == 7)
        );
    }
}
