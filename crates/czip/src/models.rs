//! The models that a file may need.

use std::fmt;

use czip_container::v2::ModelId;

use crate::error::Error;
use crate::model::Model;

/// Finds the model that a file names. A model that no file needs is never loaded.
///
/// A decoder asks for a model when it reaches the first segment that needs it, and remembers the answer.
///
/// ```
/// use std::sync::OnceLock;
///
/// use czip::{Error, FindModel, Model, ModelId, Options};
///
/// /// Model files that are loaded when they are needed.
/// struct Shelf {
///     files: Vec<(Vec<u8>, OnceLock<Model>)>,
/// }
///
/// impl FindModel for Shelf {
///     fn find(&self, id: ModelId) -> Result<Option<&Model>, Error> {
///         let Some((bytes, model)) = self.files.iter().find(|(bytes, _)| Model::id_of(bytes) == id) else {
///             return Ok(None);
///         };
///         if let Some(model) = model.get() {
///             return Ok(Some(model));
///         }
///         let loaded = Model::from_bytes(bytes)?;
///         Ok(Some(model.get_or_init(|| loaded)))
///     }
/// }
///
/// # if cfg!(not(feature = "zstd")) {
/// #     return Ok(());
/// # }
/// # let bytes = czip_models::STANDARD.to_vec();
/// # let model = Model::from_bytes(&bytes)?;
/// let text = b"Integers are the same everywhere. Integers are the same everywhere.";
/// let file = czip::compress(&model, text, &Options::new())?;
/// let shelf = Shelf { files: vec![(bytes, OnceLock::new())] };
/// assert_eq!(czip::decompress(&shelf, &file, &Options::new())?, text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait FindModel: Sync {
    /// The model with this id, if there is one.
    ///
    /// # Errors
    ///
    /// Whatever keeps a known model from being loaded, as [`Error::FindModel`] if it is the finder's own error. It becomes
    /// the error of the file that needs the model.
    fn find(&self, id: ModelId) -> Result<Option<&Model>, Error>;

    /// The model for CZIPv1 files, which do not say which one they need. By default there is none.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    fn for_v1(&self) -> Result<Option<&Model>, Error> {
        Ok(None)
    }

    /// The ids of the known models, for the message of [`Error::MissingModel`]. By default none are named.
    fn ids(&self) -> Vec<ModelId> {
        Vec::new()
    }
}

/// The models that a decoder can use: none, one, several, or what a [`FindModel`] finds.
///
/// Functions that decode take anything that can become one: `None`, `&Model`, `Option<&Model>`, `&[Model]`, `&Vec<Model>`, a
/// reference to a [`FindModel`], or `&dyn FindModel`. A file of the format czip v2 names the model of each member by its id,
/// and that model is used. A CZIPv1 file names none, so a slice must hold exactly one.
#[derive(Clone, Copy)]
pub struct Models<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    One(Option<&'a Model>),
    Several(&'a [Model]),
    Finder(&'a dyn FindModel),
}

impl<'a> Models<'a> {
    /// The model with this id.
    pub(crate) fn find(&self, id: ModelId) -> Result<&'a Model, Error> {
        let found = match self.0 {
            Source::One(model) => model.filter(|model| model.id() == id),
            Source::Several(models) => models.iter().find(|model| model.id() == id),
            Source::Finder(finder) => finder.find(id)?,
        };
        found.ok_or_else(|| Error::MissingModel {
            file: Some(id),
            offered: self.ids(),
        })
    }

    /// The model for a file that does not say which it needs.
    #[cfg(feature = "v1")]
    pub(crate) fn for_v1(&self) -> Result<&'a Model, Error> {
        let found = match self.0 {
            Source::One(model) => model,
            Source::Several([model]) => Some(model),
            Source::Several([]) => None,
            Source::Several(models) => {
                let given = models.len();
                return Err(crate::v1::Error::SeveralModels { given }.into());
            }
            Source::Finder(finder) => finder.for_v1()?,
        };
        found.ok_or(Error::MissingModel {
            file: None,
            offered: Vec::new(),
        })
    }

    /// The model whose instruction set is used where no model is needed.
    pub(crate) fn first(&self) -> Option<&'a Model> {
        match self.0 {
            Source::One(model) => model,
            Source::Several(models) => models.first(),
            Source::Finder(_) => None,
        }
    }

    fn ids(&self) -> Vec<ModelId> {
        match self.0 {
            Source::One(model) => model.map(Model::id).into_iter().collect(),
            Source::Several(models) => models.iter().map(Model::id).collect(),
            Source::Finder(finder) => finder.ids(),
        }
    }
}

impl<'a> From<Option<&'a Model>> for Models<'a> {
    fn from(model: Option<&'a Model>) -> Self {
        Self(Source::One(model))
    }
}

impl<'a> From<&'a Option<Model>> for Models<'a> {
    fn from(model: &'a Option<Model>) -> Self {
        Self(Source::One(model.as_ref()))
    }
}

impl<'a> From<&'a Model> for Models<'a> {
    fn from(model: &'a Model) -> Self {
        Self(Source::One(Some(model)))
    }
}

impl<'a> From<&'a Vec<Model>> for Models<'a> {
    fn from(models: &'a Vec<Model>) -> Self {
        Self(Source::Several(models))
    }
}

impl<'a, const N: usize> From<&'a [Model; N]> for Models<'a> {
    fn from(models: &'a [Model; N]) -> Self {
        Self(Source::Several(models))
    }
}

impl<'a> From<&'a [Model]> for Models<'a> {
    fn from(models: &'a [Model]) -> Self {
        Self(Source::Several(models))
    }
}

impl<'a, F: FindModel> From<&'a F> for Models<'a> {
    fn from(finder: &'a F) -> Self {
        Self(Source::Finder(finder))
    }
}

impl<'a> From<&'a dyn FindModel> for Models<'a> {
    fn from(finder: &'a dyn FindModel) -> Self {
        Self(Source::Finder(finder))
    }
}

/// Names the ids of the models.
impl fmt::Debug for Models<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Models").field(&self.ids()).finish()
    }
}
