//! The models that can be used: those that the user names, and the built-in ones.
//!
//! Compressing takes one. When restoring, each file says by a hash which one it needs.

use std::borrow::Cow;
use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use czip::{FindModel, Level, Model, ModelId};

use crate::args::ModelArgs;
use crate::error::{Error, Failure};
use crate::ui::Ui;

/// What stands for no model on command lines.
const NONE: &str = "none";

/// A model that is part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    Standard,
    Fast,
}

impl BuiltIn {
    const ALL: [Self; 2] = [Self::Standard, Self::Fast];

    const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Fast => "fast",
        }
    }

    /// The one that is called so on command lines.
    pub(crate) fn named(name: &Path) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|model| name.as_os_str() == model.name())
    }

    /// The one that is used at a level if no model is named.
    fn of_level(level: Level) -> Self {
        let file = Model::builtin_file_for(level);
        let found = Self::ALL.into_iter().find(|model| model.bytes() == file);
        found.expect("it is one of the built-in models")
    }

    /// Whether two levels have the same one.
    pub(crate) fn same(one: Level, other: Level) -> bool {
        Self::of_level(one) == Self::of_level(other)
    }

    /// Its file.
    pub(crate) const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Standard => czip_models::STANDARD,
            Self::Fast => czip_models::FAST,
        }
    }

    fn id(self) -> ModelId {
        Model::id_of(self.bytes())
    }
}

/// The extension of model files, by which they are found in folders.
const EXTENSION: &str = "czm";

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    BuiltIn(BuiltIn),
    File(PathBuf),
}

impl From<PathBuf> for Origin {
    fn from(path: PathBuf) -> Self {
        match BuiltIn::named(&path) {
            Some(model) => Self::BuiltIn(model),
            None => Self::File(path),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(model) => f.write_str(model.name()),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Origin {
    /// Whether it can be read only once, like a pipe.
    fn is_stream(&self) -> bool {
        matches!(self, Self::File(path) if fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir()))
    }

    fn is_folder(&self) -> bool {
        matches!(self, Self::File(path) if path.is_dir())
    }

    /// The bytes of the model file.
    fn bytes(&self) -> Result<Cow<'static, [u8]>, Failure> {
        match self {
            Self::BuiltIn(model) => Ok(Cow::Borrowed(model.bytes())),
            Self::File(path) => match fs::read(path) {
                Ok(bytes) => Ok(Cow::Owned(bytes)),
                Err(error) => Err(Error::ReadModel(error).of(self)),
            },
        }
    }

    /// What compressed files know it by.
    fn id(&self) -> Result<ModelId, Failure> {
        let file = match self {
            Self::BuiltIn(model) => return Ok(model.id()),
            Self::File(path) => File::open(path),
        };
        file.and_then(Model::id_of_reader)
            .map_err(|error| Error::ReadModel(error).of(self))
    }

    fn load(&self, ui: &Ui) -> Result<Model, Failure> {
        let model = match self {
            Self::BuiltIn(model) => Model::from_bytes(model.bytes()),
            Self::File(path) => Model::open(path),
        };
        let model = model.map_err(|error| match error {
            czip::Error::OpenModel { source, .. } => Error::ReadModel(source).of(self),
            error => Error::from(error).of(self),
        })?;
        let config = model.config();
        ui.detail(format_args!(
            "{self}: model {}, depth {}, width {}, context of {} tokens, {} kernels",
            model.id(),
            config.layers,
            config.d_model,
            config.window.unwrap_or(config.context_length),
            czip::Kernels::detect().instruction_set(),
        ));
        Ok(model.named(&self.to_string()))
    }
}

/// The bytes of the one model that a command line has to name: a file, or a built-in one.
pub(crate) fn read(path: &Path) -> Result<Cow<'static, [u8]>, Failure> {
    if path.as_os_str() == NONE {
        return Err(Error::NoModel.into());
    }
    Origin::from(path.to_owned()).bytes()
}

/// The models that a command line, or else the environment, names.
#[derive(Debug)]
pub(crate) struct ModelFiles {
    /// Those that the user has named for this run, in order.
    named: Vec<Origin>,
    /// Those in the environment, if the command line names others.
    others: Vec<Origin>,
    /// Whether `named` are those of the environment.
    in_environment: bool,
    /// No models other than those that the user has named.
    none: bool,
    tokenizer: Option<PathBuf>,
}

impl ModelFiles {
    /// For a command that compresses: the command line may name one model.
    pub(crate) fn one(args: ModelArgs) -> Result<Self, Failure> {
        match &args.model[..] {
            [_, _, ..] => return Err(Error::OneModel.into()),
            [path] if path.is_dir() => return Err(Error::IsFolder.of(path.display())),
            _ => {}
        }
        Self::several(args)
    }

    /// For a command that restores: the command line may name several, and folders of them.
    pub(crate) fn several(args: ModelArgs) -> Result<Self, Failure> {
        let variable = || {
            let paths = env::var_os("CZIP_MODEL").unwrap_or_default();
            let paths = env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty());
            paths.collect::<Vec<_>>()
        };
        let (mut named, mut others) = (args.model, variable());
        let in_environment = named.is_empty();
        if in_environment {
            named = std::mem::take(&mut others);
        }
        let is_none = |path: &PathBuf| path.as_os_str() == NONE;
        let none = named.iter().any(is_none);
        if none && named.len() > 1 {
            return Err(Error::NoneAndOthers.into());
        }
        named.retain(|path| !is_none(path));
        others.retain(|path| !none && !is_none(path));
        if args.tokenizer.is_some() && named.len() != 1 {
            return Err(if named.is_empty() {
                Error::TokenizerOfNone.into()
            } else {
                Error::TokenizerOfSeveral.into()
            });
        }
        Ok(Self {
            named: named.into_iter().map(Origin::from).collect(),
            others: others.into_iter().map(Origin::from).collect(),
            in_environment,
            none,
            tokenizer: args.tokenizer,
        })
    }

    /// These and no others.
    pub(crate) fn only(models: Vec<PathBuf>) -> Self {
        let models = models.into_iter().filter(|path| path.as_os_str() != NONE);
        Self {
            named: models.map(Origin::from).collect(),
            others: Vec::new(),
            in_environment: false,
            none: true,
            tokenizer: None,
        }
    }

    /// The files that models are read from.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self.tokenizer.iter().cloned().collect();
        for origin in self.named.iter().chain(&self.others) {
            match origin {
                Origin::BuiltIn(_) => {}
                Origin::File(path) if origin.is_folder() => paths.extend(models_in(path)),
                Origin::File(path) => paths.push(path.clone()),
            }
        }
        paths
    }

    /// Whether the user has named a model. CZIPv1 files do not say which one they need, so none is assumed.
    pub(crate) fn are_named(&self) -> bool {
        self.named.iter().any(|origin| !origin.is_folder())
    }

    /// Whether the user wants no model.
    pub(crate) fn are_none(&self) -> bool {
        self.none && self.named.is_empty()
    }

    /// Those that the environment names, and the built-in ones.
    pub(crate) fn known() -> Result<Self, Failure> {
        Self::several(ModelArgs {
            model: Vec::new(),
            tokenizer: None,
        })
    }

    /// The model to compress with: the first one named that is not a folder, else the built-in one for the level.
    pub(crate) fn load(&self, level: Level, ui: &Ui) -> Result<Option<Model>, Failure> {
        if self.are_none() {
            return Ok(None);
        }
        let origin = self.named.iter().find(|origin| !origin.is_folder());
        let built_in = || Origin::BuiltIn(BuiltIn::of_level(level));
        let model = origin.cloned().unwrap_or_else(built_in).load(ui)?;
        self.with_tokenizer(model).map(Some)
    }

    fn with_tokenizer(&self, model: Model) -> Result<Model, Failure> {
        let Some(path) = &self.tokenizer else {
            return Ok(model);
        };
        let json = fs::read(path).map_err(|error| Error::Read(error).of(path.display()))?;
        let model = model.with_tokenizer(&json);
        model.map_err(|error| Error::from(error).of(path.display()))
    }

    /// The models to restore with. None is unpacked before a file needs it.
    pub(crate) fn set<'u>(&self, ui: &'u Ui) -> Result<ModelSet<'u>, Failure> {
        let (folders, files): (Vec<&Origin>, Vec<&Origin>) =
            self.named.iter().partition(|origin| origin.is_folder());
        let mut candidates = Vec::new();
        for origin in files {
            candidates.push(if self.tokenizer.is_some() || origin.is_stream() {
                // A tokenizer makes it another model.
                let model = self.with_tokenizer(origin.load(ui)?)?;
                Candidate {
                    origin: origin.clone(),
                    id: model.id(),
                    model: OnceLock::from(model),
                }
            } else {
                match Candidate::new(origin.clone()) {
                    Ok(candidate) => candidate,
                    // Which of them a file needs is not known yet.
                    Err(failure) if self.in_environment => {
                        ui.warning(format_args!("{failure}, so it is passed over"));
                        continue;
                    }
                    Err(failure) => return Err(failure),
                }
            });
        }
        let mut places: Vec<Origin> = folders.into_iter().chain(&self.others).cloned().collect();
        if !self.none {
            places.extend(BuiltIn::ALL.map(Origin::BuiltIn));
        }
        Ok(ModelSet {
            ui,
            candidates,
            places,
            others: OnceLock::new(),
        })
    }
}

/// The model files in a folder, in the order of their names. A folder that cannot be read has none.
fn models_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension() == Some(OsStr::new(EXTENSION)) && path.is_file())
        .collect();
    paths.sort();
    paths
}

/// A model that may be loaded.
#[derive(Debug)]
struct Candidate {
    origin: Origin,
    id: ModelId,
    model: OnceLock<Model>,
}

impl Candidate {
    fn new(origin: Origin) -> Result<Self, Failure> {
        Ok(Self {
            id: origin.id()?,
            origin,
            model: OnceLock::new(),
        })
    }

    fn model(&self, ui: &Ui) -> Result<&Model, Failure> {
        if let Some(model) = self.model.get() {
            return Ok(model);
        }
        let loaded = self.origin.load(ui)?;
        Ok(self.model.get_or_init(|| loaded))
    }
}

/// Models to restore with.
#[derive(Debug)]
pub(crate) struct ModelSet<'u> {
    ui: &'u Ui,
    /// Those that the user has named.
    candidates: Vec<Candidate>,
    /// Where else to look.
    places: Vec<Origin>,
    /// What is there, once looked at.
    others: OnceLock<Vec<Candidate>>,
}

impl ModelSet<'_> {
    /// All models, including those in other places.
    fn all(&self) -> impl Iterator<Item = &Candidate> {
        let others = self.others.get_or_init(|| {
            let files = self.places.iter().flat_map(|place| match place {
                Origin::File(path) if place.is_folder() => {
                    models_in(path).into_iter().map(Origin::File).collect()
                }
                place => vec![place.clone()],
            });
            // These were not asked for by name, so errors are no failure.
            files.filter_map(|origin| Candidate::new(origin).ok()).collect()
        });
        self.candidates.iter().chain(others)
    }

    /// The model to compress with, as [`ModelFiles::load`] chooses it.
    pub(crate) fn to_compress(&self, level: Level) -> Result<Option<&Model>, Failure> {
        let wanted = Origin::BuiltIn(BuiltIn::of_level(level));
        let built_in = || self.all().find(|candidate| candidate.origin == wanted);
        let chosen = self.candidates.first().or_else(built_in);
        chosen.map(|candidate| candidate.model(self.ui)).transpose()
    }

    /// These and others, which are looked at later.
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.candidates.extend(others.candidates);
        self.places.extend(others.places);
        self.others = OnceLock::new();
        self
    }

    /// What files know them by.
    pub(crate) fn ids(&self) -> Vec<ModelId> {
        self.all().map(|candidate| candidate.id).collect()
    }

    /// The name of the model that files know by this id, if it is at hand.
    pub(crate) fn name_of(&self, id: ModelId) -> Option<String> {
        let found = self.all().find(|candidate| candidate.id == id);
        found.map(|candidate| candidate.origin.to_string())
    }

    /// An error of the library, with what can be done about a model that is missing.
    pub(crate) fn explain(&self, error: czip::Error) -> Error {
        match error {
            czip::Error::MissingModel { file: Some(file), .. } => {
                match BuiltIn::ALL.into_iter().find(|model| model.id() == file) {
                    Some(model) => Error::BuiltInModelNeeded {
                        name: model.name(),
                        file,
                    },
                    None => Error::MissingModel {
                        file,
                        at_hand: self
                            .all()
                            .map(|candidate| format!("{} ({})", candidate.origin, candidate.id))
                            .collect(),
                    },
                }
            }
            error => error.into(),
        }
    }
}

impl FindModel for ModelSet<'_> {
    fn find(&self, id: ModelId) -> Result<Option<&Model>, czip::Error> {
        let named = self.candidates.iter().find(|candidate| candidate.id == id);
        let Some(candidate) = named.or_else(|| self.all().find(|candidate| candidate.id == id)) else {
            return Ok(None);
        };
        candidate.model(self.ui).map(Some).map_err(of_finding)
    }

    /// The only model that the user names.
    fn for_v1(&self) -> Result<Option<&Model>, czip::Error> {
        let model = match &self.candidates[..] {
            [] => Err(Error::NoModel.into()),
            [candidate] => candidate.model(self.ui),
            candidates => Err(Error::SeveralModels {
                named: candidates.len(),
            }
            .into()),
        };
        model.map(Some).map_err(of_finding)
    }
}

fn of_finding(failure: Failure) -> czip::Error {
    czip::Error::FindModel(Box::new(failure))
}
