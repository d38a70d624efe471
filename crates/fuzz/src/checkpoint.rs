//! Runs between two steps.

use std::fs;
use std::sync::LazyLock;

use czip_model::v2::Config;
use czip_train::checkpoint::Checkpoint;
use czip_train::curve::Point;
use czip_train::optimizer::State;
use czip_train::parameters::Layout;

use crate::fixtures;
use crate::input::Input;

/// Its file has some kilobytes.
static BASE: LazyLock<Checkpoint> = LazyLock::new(|| {
    let config = Config {
        vocab_size: 4,
        layers: 1,
        d_model: 4,
        heads: 1,
        d_ff: 4,
        window: 2,
        bigram_buckets: 2,
        bigram_width: 2,
    };
    let len = Layout::new(&config).len();
    let mut state = State::new(len);
    state.steps = 3;
    Checkpoint {
        config,
        tokenizer_json: b"{}".to_vec(),
        parameters: vec![0.5; len],
        state,
        average: vec![0.25; len],
        best: Some((1.5, vec![1.0; len])),
        curve: vec![Point {
            tokens: 7,
            seconds: 1.0,
            train: 2.0,
            heldout: 2.5,
        }],
        since: (8.0, 1),
        seconds: 2.0,
        run: 9,
    }
});

/// Checkpoints with other sizes and changed bytes, and any bytes as one: what can be loaded is saved and loaded again as it
/// was.
pub fn checkpoint(data: &[u8]) {
    let mut input = Input::new(data);
    let folder = fixtures::folder();
    let path = folder.path().join("checkpoint");
    let file = if input.flag() {
        let mut checkpoint = BASE.clone();
        for _ in 0..input.below(3) {
            change_size(&mut checkpoint.config, &mut input);
        }
        checkpoint.save(&path).expect("a folder for temporary files");
        let mut file = fs::read(&path).expect("what was saved");
        if input.flag() {
            forget_hash(&mut file);
        }
        for _ in 0..input.below(12) {
            change(&mut file, &mut input);
        }
        file
    } else {
        input.rest(16 << 10).to_vec()
    };
    fs::write(&path, file).expect("a folder for temporary files");
    let Ok(loaded) = Checkpoint::load(&path) else {
        return;
    };
    loaded.save(&path).expect("a folder for temporary files");
    let again = Checkpoint::load(&path).expect("what was saved");
    // As they are shown, since not every float equals itself.
    assert!(
        format!("{again:?}") == format!("{loaded:?}"),
        "another checkpoint"
    );
}

fn change(file: &mut Vec<u8>, input: &mut Input<'_>) {
    let (kind, place, value) = (input.byte(), input.number() % (file.len() + 1), input.byte());
    match (kind % 4, file.get_mut(place)) {
        (0, Some(byte)) => *byte = value,
        (1, Some(byte)) => *byte ^= 1 << (value % 8),
        (2, _) => file.insert(place, value),
        (3, Some(_)) => drop(file.remove(place)),
        _ => {}
    }
}

fn change_size(config: &mut Config, input: &mut Input<'_>) {
    let size = match input.byte() % 8 {
        0 => &mut config.vocab_size,
        1 => &mut config.layers,
        2 => &mut config.d_model,
        3 => &mut config.heads,
        4 => &mut config.d_ff,
        5 => &mut config.window,
        6 => &mut config.bigram_buckets,
        _ => &mut config.bigram_width,
    };
    // Any magnitude, and what overflows when it is doubled, or one is added.
    let value = input.number().rotate_right((input.byte() % 64).into());
    *size = if input.flag() { !value } else { value };
}

/// Gives the hash another name: a checkpoint without one is accepted, and changes get further.
fn forget_hash(file: &mut [u8]) {
    const KEY: &[u8] = b"\"hash\"";
    if let Some(place) = file.windows(KEY.len()).position(|bytes| bytes == KEY) {
        file[place..place + KEY.len()].make_ascii_uppercase();
    }
}
