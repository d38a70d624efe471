# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_czip_global_optspecs
    string join \n T/threads= q/quiet v/verbose h/help V/version
end

function __fish_czip_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_czip_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_czip_using_subcommand
    set -l cmd (__fish_czip_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c czip -n "__fish_czip_needs_command" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_needs_command" -s q -l quiet -d 'Print errors only'
complete -c czip -n "__fish_czip_needs_command" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_needs_command" -s h -l help -d 'Print help'
complete -c czip -n "__fish_czip_needs_command" -s V -l version -d 'Print version'
complete -c czip -n "__fish_czip_needs_command" -f -a "compress" -d 'Compress texts or any files: notes.txt becomes notes.txt.czip'
complete -c czip -n "__fish_czip_needs_command" -f -a "decompress" -d 'Restore files: notes.txt.czip becomes notes.txt'
complete -c czip -n "__fish_czip_needs_command" -f -a "info" -d 'Show what is in compressed files and models'
complete -c czip -n "__fish_czip_needs_command" -f -a "verify" -d 'Check that files round-trip, and compare their sizes with other compressors'
complete -c czip -n "__fish_czip_needs_command" -f -a "bench" -d 'Benchmark sizes, speed and memory on texts, beside other compressors'
complete -c czip -n "__fish_czip_needs_command" -f -a "train" -d 'Train a model on your own texts'
complete -c czip -n "__fish_czip_needs_command" -f -a "adapt" -d 'Fit a model\'s mixing to your texts, in a minute or two; its net does not change'
complete -c czip -n "__fish_czip_needs_command" -f -a "import" -d 'Make a model of the weights of an open language model, in integers'
complete -c czip -n "__fish_czip_using_subcommand compress" -s m -l model -d 'Model file; or standard, the built-in English model; or none, to use no model. When restoring, it may be repeated or name a folder of models, since each file records which one it needs [default: CZIP_MODEL, else standard; v1 has no default]' -r -F
complete -c czip -n "__fish_czip_using_subcommand compress" -s t -l tokenizer -d 'Use this tokenizer instead of the model\'s own' -r -F
complete -c czip -n "__fish_czip_using_subcommand compress" -s L -l level -d 'Compression level, from 1 (fastest) to 9 (smallest); 4 and up run the model\'s net. In v1, 1 to 5 select chunks of 64, 128, 256, 512 or 1024 tokens [default: 5; in v1, chunks as long as the model\'s context]' -r
complete -c czip -n "__fish_czip_using_subcommand compress" -l format -d 'Output format: v2 is czip\'s own, v1 is CZIPv1 [default: v2, or v1 with -c]' -r -f -a "v1\t''
v2\t''"
complete -c czip -n "__fish_czip_using_subcommand compress" -l segment -d 'v2: maximum segment size, such as 64K or 1M; segments are independent, and longer ones compress better [default: 1M; 4M at level 9]' -r
complete -c czip -n "__fish_czip_using_subcommand compress" -s c -l codec -d 'v1: outer codec, brotli or zstd [default: brotli]' -r
complete -c czip -n "__fish_czip_using_subcommand compress" -s i -l input -d 'File to read; - is standard input' -r -F
complete -c czip -n "__fish_czip_using_subcommand compress" -s o -l output -d 'Output file, for a single input; - is standard output [default: the input\'s name with .czip added or removed, or - if the input is -]' -r -F
complete -c czip -n "__fish_czip_using_subcommand compress" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand compress" -l no-index -d 'v2: omit the index at the end of the file, which makes seeking possible'
complete -c czip -n "__fish_czip_using_subcommand compress" -s f -l force -d 'Overwrite existing outputs'
complete -c czip -n "__fish_czip_using_subcommand compress" -s q -l quiet -d 'Print errors only'
complete -c czip -n "__fish_czip_using_subcommand compress" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand compress" -s h -l help -d 'Print help'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s m -l model -d 'Model file; or standard, the built-in English model; or none, to use no model. When restoring, it may be repeated or name a folder of models, since each file records which one it needs [default: CZIP_MODEL, else standard; v1 has no default]' -r -F
complete -c czip -n "__fish_czip_using_subcommand decompress" -s t -l tokenizer -d 'Use this tokenizer instead of the model\'s own' -r -F
complete -c czip -n "__fish_czip_using_subcommand decompress" -l max-output -d 'Refuse files that restore to more text than this, such as 500M or 2G' -r
complete -c czip -n "__fish_czip_using_subcommand decompress" -l memory -d 'Memory limit for restoring a file, not counting models, such as 256M; with less memory, fewer segments are decoded in parallel [default: 16G]' -r
complete -c czip -n "__fish_czip_using_subcommand decompress" -s i -l input -d 'File to read; - is standard input' -r -F
complete -c czip -n "__fish_czip_using_subcommand decompress" -s o -l output -d 'Output file, for a single input; - is standard output [default: the input\'s name with .czip added or removed, or - if the input is -]' -r -F
complete -c czip -n "__fish_czip_using_subcommand decompress" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand decompress" -l recover -d 'Restore whatever is intact in damaged czip v2 files, and report which parts of the text are missing'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s f -l force -d 'Overwrite existing outputs'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s q -l quiet -d 'Print errors only'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s h -l help -d 'Print help'
complete -c czip -n "__fish_czip_using_subcommand info" -s m -l model -d 'Model to check the files against; may be repeated' -r -F
complete -c czip -n "__fish_czip_using_subcommand info" -l max-output -d 'Refuse files that restore to more text than this, such as 500M or 2G' -r
complete -c czip -n "__fish_czip_using_subcommand info" -l memory -d 'Memory limit for restoring a file, not counting models, such as 256M; with less memory, fewer segments are decoded in parallel [default: 16G]' -r
complete -c czip -n "__fish_czip_using_subcommand info" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand info" -l json -d 'Print one line of JSON for each file'
complete -c czip -n "__fish_czip_using_subcommand info" -s q -l quiet -d 'Print errors only'
complete -c czip -n "__fish_czip_using_subcommand info" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand info" -s h -l help -d 'Print help'
complete -c czip -n "__fish_czip_using_subcommand verify" -s m -l model -d 'Model file; or standard, the built-in English model; or none, to use no model. When restoring, it may be repeated or name a folder of models, since each file records which one it needs [default: CZIP_MODEL, else standard; v1 has no default]' -r -F
complete -c czip -n "__fish_czip_using_subcommand verify" -s t -l tokenizer -d 'Use this tokenizer instead of the model\'s own' -r -F
complete -c czip -n "__fish_czip_using_subcommand verify" -s L -l level -d 'Compression level, from 1 (fastest) to 9 (smallest); 4 and up run the model\'s net. In v1, 1 to 5 select chunks of 64, 128, 256, 512 or 1024 tokens [default: 5; in v1, chunks as long as the model\'s context]' -r
complete -c czip -n "__fish_czip_using_subcommand verify" -l format -d 'Output format: v2 is czip\'s own, v1 is CZIPv1 [default: v2, or v1 with -c]' -r -f -a "v1\t''
v2\t''"
complete -c czip -n "__fish_czip_using_subcommand verify" -l segment -d 'v2: maximum segment size, such as 64K or 1M; segments are independent, and longer ones compress better [default: 1M; 4M at level 9]' -r
complete -c czip -n "__fish_czip_using_subcommand verify" -s c -l codec -d 'v1: outer codec, brotli or zstd [default: brotli]' -r
complete -c czip -n "__fish_czip_using_subcommand verify" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand verify" -l no-index -d 'v2: omit the index at the end of the file, which makes seeking possible'
complete -c czip -n "__fish_czip_using_subcommand verify" -l json -d 'Print one line of JSON for each file'
complete -c czip -n "__fish_czip_using_subcommand verify" -s q -l quiet -d 'Print errors only'
complete -c czip -n "__fish_czip_using_subcommand verify" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand verify" -s h -l help -d 'Print help'
complete -c czip -n "__fish_czip_using_subcommand bench" -s m -l model -d 'Model file; or standard, the built-in English model; or none, to use no model. When restoring, it may be repeated or name a folder of models, since each file records which one it needs [default: CZIP_MODEL, else standard; v1 has no default]' -r -F
complete -c czip -n "__fish_czip_using_subcommand bench" -s t -l tokenizer -d 'Use this tokenizer instead of the model\'s own' -r -F
complete -c czip -n "__fish_czip_using_subcommand bench" -l format -d 'Benchmark only this format [default: both]' -r -f -a "v1\t''
v2\t''"
complete -c czip -n "__fish_czip_using_subcommand bench" -s c -l codec -d 'v1: outer codec, brotli or zstd [default: brotli]' -r
complete -c czip -n "__fish_czip_using_subcommand bench" -s L -l level -d 'Benchmark only this level [default: all]' -r
complete -c czip -n "__fish_czip_using_subcommand bench" -l segment -d 'Maximum segment size, such as 64K or 1M [default: 1M; 4M at level 9]' -r
complete -c czip -n "__fish_czip_using_subcommand bench" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand bench" -l json -d 'Print one line of JSON for each file and one for the total'
complete -c czip -n "__fish_czip_using_subcommand bench" -s q -l quiet -d 'Print errors only'
complete -c czip -n "__fish_czip_using_subcommand bench" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand bench" -s h -l help -d 'Print help'
complete -c czip -n "__fish_czip_using_subcommand train" -s o -l output -d 'Model file to write. The training curve is written beside it, as MODEL.csv and MODEL.svg, and until the model is finished, MODEL.checkpoint' -r -F
complete -c czip -n "__fish_czip_using_subcommand train" -l preset -d 'Size of the net: fast, standard or large' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l vocab -d 'Tokens in the vocabulary, 258 to 65536 [default: as suits the preset]' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l split -d 'How text is split before tokens are formed: text, code, logs or cjk [default: chosen by the text]' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l minutes -d 'Minutes to train' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l tokens -d 'Tokens to train on, each counted every time it is seen, instead of a time; the same texts, options and number of threads then give the same model' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l from -d 'Start from this model, keeping its sizes and its tokenizer' -r -F
complete -c czip -n "__fish_czip_using_subcommand train" -l device -d 'Device that computes the gradients; gpu needs a build with the feature of that name' -r -f -a "cpu\t''
gpu\t''"
complete -c czip -n "__fish_czip_using_subcommand train" -l heldout -d 'Text to hold out and measure with: a share such as 0.05, or a file or folder' -r -F
complete -c czip -n "__fish_czip_using_subcommand train" -l field -d 'NDJSON, CSV and TSV: the field or column that holds the text of a document' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l separator -d 'Line that ends a document' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l seed -d 'Seed for everything that is chosen at random' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l name -d 'Name to record in the model' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l licence -d 'Licence to record in the model' -r
complete -c czip -n "__fish_czip_using_subcommand train" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand train" -s f -l force -d 'Overwrite outputs that exist, and start over where an interrupted run could be resumed; inputs are never overwritten'
complete -c czip -n "__fish_czip_using_subcommand train" -l new-tokenizer -d 'With --from: train a new tokenizer'
complete -c czip -n "__fish_czip_using_subcommand train" -l resume -d 'Resume an interrupted run from MODEL.checkpoint; the texts and all options must be the same'
complete -c czip -n "__fish_czip_using_subcommand train" -s q -l quiet -d 'Print errors only'
complete -c czip -n "__fish_czip_using_subcommand train" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand train" -s h -l help -d 'Print help'
complete -c czip -n "__fish_czip_using_subcommand adapt" -s o -l output -d 'Model file to write' -r -F
complete -c czip -n "__fish_czip_using_subcommand adapt" -l sample -d 'Amount of text to learn from, such as 500K or 4M; more takes longer [default: 1000000]' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -l heldout -d 'Text to hold out and measure with: a share such as 0.05, or a file or folder' -r -F
complete -c czip -n "__fish_czip_using_subcommand adapt" -l field -d 'NDJSON, CSV and TSV: the field or column that holds the text of a document' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -l separator -d 'Line that ends a document' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -l seed -d 'Seed for everything that is chosen at random' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -l name -d 'Name to record in the model' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -l licence -d 'Licence to record in the model' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -s f -l force -d 'Overwrite the output if it exists; inputs are never overwritten'
complete -c czip -n "__fish_czip_using_subcommand adapt" -s q -l quiet -d 'Print errors only'
complete -c czip -n "__fish_czip_using_subcommand adapt" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand adapt" -s h -l help -d 'Print help'
complete -c czip -n "__fish_czip_using_subcommand import" -s o -l output -d 'Model file to write' -r -F
complete -c czip -n "__fish_czip_using_subcommand import" -l window -d 'Tokens that attention reaches back, besides the first four of a segment; more takes more time and memory, for smaller files [default: 1024]' -r
complete -c czip -n "__fish_czip_using_subcommand import" -l sinks -d 'First positions of a segment that stay in view, besides the window' -r
complete -c czip -n "__fish_czip_using_subcommand import" -l wide-inputs -d 'Matrices that take inputs of 16 bits, such as qkv,down, among qkv, out, gate_up, down and head; or none. More takes more time, for slightly smaller files' -r
complete -c czip -n "__fish_czip_using_subcommand import" -l start-token -d 'Number of the token that a text begins with [default: the one that the model names]' -r
complete -c czip -n "__fish_czip_using_subcommand import" -l calibrate -d 'Fit the mixing priors to this text, as adapt does: a file, folder or pattern; may be repeated' -r -F
complete -c czip -n "__fish_czip_using_subcommand import" -l sample -d 'With --calibrate: amount of text to learn from, such as 500K; more takes longer [default: 300000]' -r
complete -c czip -n "__fish_czip_using_subcommand import" -l measure -d 'Text to compare the net in integers with the one in floats on, up to 20,000 tokens; else a page of the program\'s is taken, 256 tokens of it' -r -F
complete -c czip -n "__fish_czip_using_subcommand import" -l name -d 'Name to record in the model' -r
complete -c czip -n "__fish_czip_using_subcommand import" -l licence -d 'Licence to record in the model' -r
complete -c czip -n "__fish_czip_using_subcommand import" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand import" -s f -l force -d 'Overwrite the output if it exists; inputs are never overwritten'
complete -c czip -n "__fish_czip_using_subcommand import" -s q -l quiet -d 'Print errors only'
complete -c czip -n "__fish_czip_using_subcommand import" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand import" -s h -l help -d 'Print help'
