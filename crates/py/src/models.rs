//! Models, and which of them a call may use.

use std::path::PathBuf;
use std::sync::OnceLock;

use czip::{Error, FindModel, Level, ModelId, v1};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::data::Data;
use crate::errors::exception;

/// A built-in model, which is unpacked when it is first needed.
struct Builtin {
    name: &'static str,
    /// Its file.
    bytes: &'static [u8],
    /// A level at which it is taken if no model is given.
    level: u8,
    model: OnceLock<czip::Model>,
}

static STANDARD: Builtin = Builtin {
    name: "standard",
    bytes: czip_models::STANDARD,
    level: 5,
    model: OnceLock::new(),
};

static FAST: Builtin = Builtin {
    name: "fast",
    bytes: czip_models::FAST,
    level: 4,
    model: OnceLock::new(),
};

static BUILTINS: [&Builtin; 2] = [&STANDARD, &FAST];

impl Builtin {
    fn get(&'static self) -> &'static czip::Model {
        self.model.get_or_init(|| {
            let level = Level::new(self.level).unwrap_or_default();
            czip::Model::builtin_for(level)
        })
    }

    fn id(&self) -> ModelId {
        let unpacked = self.model.get().map(czip::Model::id);
        unpacked.unwrap_or_else(|| czip::Model::id_of(self.bytes))
    }
}

/// A language model: a net and its tokenizer. Cheap to copy: all copies share one set of weights.
///
/// Made by `Model.builtin`, `Model.open` or `Model.from_bytes`.
#[pyclass(frozen, module = "czip")]
pub(crate) struct Model {
    model: czip::Model,
    name: String,
}

#[pymethods]
impl Model {
    /// A built-in model for English: "standard", or "fast", whose net does a quarter of the work. Where no model is given,
    /// "fast" is used at level 4, and "standard" at all others.
    #[classmethod]
    #[pyo3(signature = (name = "standard"), text_signature = "(name='standard')")]
    fn builtin(class: &Bound<'_, PyType>, name: &str) -> PyResult<Self> {
        let found = BUILTINS.into_iter().find(|builtin| builtin.name == name);
        let builtin = found.ok_or_else(|| {
            PyValueError::new_err(format!(
                "the built-in models are \"standard\" and \"fast\", not {name:?}"
            ))
        })?;
        let model = class.py().detach(|| builtin.get().clone());
        Ok(Self {
            model,
            name: name.to_owned(),
        })
    }

    /// The model in a file, which `czip train`, `czip adapt` or `czip import` has made.
    #[classmethod]
    fn open(class: &Bound<'_, PyType>, path: PathBuf) -> PyResult<Self> {
        let opened = class.py().detach(|| czip::Model::open(&path));
        let stem = path.file_stem().unwrap_or_default();
        Ok(Self {
            model: opened.map_err(exception)?,
            name: stem.to_string_lossy().into_owned(),
        })
    }

    /// The model in the bytes of its file.
    #[classmethod]
    #[pyo3(signature = (data, *, name = String::new()), text_signature = "(data, *, name='')")]
    fn from_bytes(class: &Bound<'_, PyType>, data: Data, name: String) -> PyResult<Self> {
        let opened = class.py().detach(|| czip::Model::from_bytes(&data));
        Ok(Self {
            model: opened.map_err(exception)?,
            name,
        })
    }

    /// The id by which files name the model: eight hexadecimal digits, the first of `content_hash`.
    #[getter]
    fn id(&self) -> String {
        self.model.id().to_string()
    }

    /// The hash of the model's file: XXH3-128 in 32 hexadecimal digits.
    #[getter]
    fn content_hash(&self) -> String {
        format!("{:032x}", self.model.content_hash())
    }

    /// "standard" or "fast" for a built-in model; else the file's name without its ending, or the name given.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The number of tokens.
    #[getter]
    fn vocab_size(&self) -> usize {
        self.model.config().vocab_size
    }

    /// The number of trained parameters.
    #[getter]
    fn parameters(&self) -> usize {
        self.model.config().parameters
    }

    /// The format of the model's file, such as "czip-model-v2".
    #[getter]
    fn format(&self) -> &'static str {
        self.model.config().format
    }

    fn __repr__(&self) -> String {
        format!("<czip.Model {:?}, id {}>", self.name, self.model.id())
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.model.content_hash() == other.model.content_hash()
    }

    fn __hash__(&self) -> u64 {
        // The lower half: any part of a hash is one.
        self.model.content_hash() as u64
    }
}

/// The type of `NO_MODEL`.
#[pyclass(frozen, module = "czip")]
pub(crate) struct NoModel;

#[pymethods]
impl NoModel {
    #[allow(clippy::unused_self, reason = "Python calls it with the object")]
    fn __repr__(&self) -> &'static str {
        "czip.NO_MODEL"
    }

    /// Pickled by its name.
    #[allow(clippy::unused_self, reason = "Python calls it with the object")]
    fn __reduce__(&self) -> &'static str {
        "NO_MODEL"
    }
}

/// The model to compress with at this level; `None` to code everything as bytes.
pub(crate) fn of_encoder(given: Option<&Bound<'_, PyAny>>, level: i64) -> PyResult<Option<czip::Model>> {
    let Some(given) = given else {
        let builtin = if level == i64::from(FAST.level) {
            &FAST
        } else {
            &STANDARD
        };
        return Ok(Some(builtin.get().clone()));
    };
    if given.is_instance_of::<NoModel>() {
        return Ok(None);
    }
    match given.cast::<Model>() {
        Ok(model) => Ok(Some(model.get().model.clone())),
        Err(_) => Err(wrong_type("a czip.Model, czip.NO_MODEL or None", given)),
    }
}

fn wrong_type(wanted: &str, given: &Bound<'_, PyAny>) -> PyErr {
    let found = given.get_type();
    let found = found
        .name()
        .map_or_else(|_| String::from("another"), |name| name.to_string());
    PyTypeError::new_err(format!("model must be {wanted}, not {found}"))
}

#[derive(Clone)]
/// The models that a file may need: those given, and the built-in ones, which are only unpacked if they are needed.
pub(crate) struct Shelf {
    given: Vec<czip::Model>,
    has_builtins: bool,
}

impl Shelf {
    /// Of the argument `model` of what decompresses.
    pub(crate) fn of_decoder(given: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let (given, has_builtins) = match given {
            None => (Vec::new(), true),
            Some(given) if given.is_instance_of::<NoModel>() => (Vec::new(), false),
            Some(given) => (models(given)?, true),
        };
        Ok(Self { given, has_builtins })
    }
}

/// One model, or some.
fn models(given: &Bound<'_, PyAny>) -> PyResult<Vec<czip::Model>> {
    const WANTED: &str = "a czip.Model, an iterable of them, czip.NO_MODEL or None";
    if let Ok(model) = given.cast::<Model>() {
        return Ok(vec![model.get().model.clone()]);
    }
    let each = given.try_iter().map_err(|_| wrong_type(WANTED, given))?;
    each.map(|model| {
        let model = model?;
        match model.cast::<Model>() {
            Ok(model) => Ok(model.get().model.clone()),
            Err(_) => Err(wrong_type(WANTED, &model)),
        }
    })
    .collect()
}

impl FindModel for Shelf {
    fn find(&self, id: ModelId) -> Result<Option<&czip::Model>, Error> {
        let given = self.given.iter().find(|model| model.id() == id);
        Ok(given.or_else(|| {
            let found = BUILTINS.into_iter().find(|builtin| builtin.id() == id);
            found.filter(|_| self.has_builtins).map(Builtin::get)
        }))
    }

    fn for_v1(&self) -> Result<Option<&czip::Model>, Error> {
        match &self.given[..] {
            [] => Ok(self.has_builtins.then(|| STANDARD.get())),
            [model] => Ok(Some(model)),
            models => Err(v1::Error::SeveralModels { given: models.len() }.into()),
        }
    }

    fn ids(&self) -> Vec<ModelId> {
        let builtin = BUILTINS.iter().filter(|_| self.has_builtins);
        let given = self.given.iter().map(czip::Model::id);
        given.chain(builtin.map(|builtin| builtin.id())).collect()
    }
}
