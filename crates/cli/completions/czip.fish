# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_czip_global_optspecs
    string join \n z/compress d/decompress t/test l/list 1/fast 2 3 4 5 6 7 8 9/best L/level= format= segment= no-index o/output= c/stdout k/keep rm f/force r/recursive output-dir= output-dir-flat= files-from= files0-from= exclude-compressed json m/model= recover max-output= M/memory= T/threads= q/quiet v/verbose color= H codec= tokenizer= i/input= h/help V/version
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

complete -c czip -n "__fish_czip_needs_command" -s L -l level -d 'Compression level, from 1 (fastest) to 9 (smallest); 4 and up run the model\'s net' -r
complete -c czip -n "__fish_czip_needs_command" -l format -d 'Output format: v2 is czip\'s own, v1 is CZIPv1 [default: v2, or v1 with a codec]' -r -f -a "v1\t''
v2\t''"
complete -c czip -n "__fish_czip_needs_command" -l segment -d 'v2: maximum segment size, such as 64K or 1M; segments are independent, and longer ones compress better [default: 4M at levels 1 to 3, 1M at 4 and 5, then 2M, 4M, 8M and 16M]' -r
complete -c czip -n "__fish_czip_needs_command" -s o -l output -d 'Output file, for a single input; - is standard output [default: the input\'s name with .czip added or removed, or - if the input is -]' -r -F
complete -c czip -n "__fish_czip_needs_command" -l output-dir -d 'Put the outputs under this folder, each at the path that its input has: a/b.txt becomes DIR/a/b.txt.czip' -r -F
complete -c czip -n "__fish_czip_needs_command" -l output-dir-flat -d 'Put the outputs into this folder itself: a/b.txt becomes DIR/b.txt.czip' -r -F
complete -c czip -n "__fish_czip_needs_command" -l files-from -d 'Also take the files whose names are the lines of this one; - is standard input' -r -F
complete -c czip -n "__fish_czip_needs_command" -l files0-from -d 'The same for names that end in NUL characters, as find -print0 writes them' -r -F
complete -c czip -n "__fish_czip_needs_command" -s m -l model -d 'Model: a file; standard or fast, which are built in, for English; or none, to use no model' -r -F
complete -c czip -n "__fish_czip_needs_command" -l max-output -d 'Refuse files that restore to more text than this, such as 500M or 2G' -r
complete -c czip -n "__fish_czip_needs_command" -s M -l memory -d 'Memory limit for restoring a file, not counting models, such as 256M; with less memory, fewer segments are decoded in parallel [default: 16G]' -r
complete -c czip -n "__fish_czip_needs_command" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_needs_command" -l color -d 'When to use colours: auto means on terminals, unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c czip -n "__fish_czip_needs_command" -l codec -d 'v1: outer codec, brotli or zstd [default: brotli]' -r
complete -c czip -n "__fish_czip_needs_command" -l tokenizer -d 'Use this tokenizer instead of the model\'s own' -r -F
complete -c czip -n "__fish_czip_needs_command" -s i -l input -d 'File to read; - is standard input' -r -F
complete -c czip -n "__fish_czip_needs_command" -s z -l compress -d 'Compress: the default'
complete -c czip -n "__fish_czip_needs_command" -s d -l decompress -d 'Restore'
complete -c czip -n "__fish_czip_needs_command" -s t -l test -d 'Test whether files can be restored, without writing anything'
complete -c czip -n "__fish_czip_needs_command" -s l -l list -d 'List what is in compressed files: lengths, ratio, checksums, model; -v shows more'
complete -c czip -n "__fish_czip_needs_command" -s 1 -l fast -d 'Compress fast; -2 to -8 are between [default: -5]'
complete -c czip -n "__fish_czip_needs_command" -s 2
complete -c czip -n "__fish_czip_needs_command" -s 3
complete -c czip -n "__fish_czip_needs_command" -s 4
complete -c czip -n "__fish_czip_needs_command" -s 5
complete -c czip -n "__fish_czip_needs_command" -s 6
complete -c czip -n "__fish_czip_needs_command" -s 7
complete -c czip -n "__fish_czip_needs_command" -s 8
complete -c czip -n "__fish_czip_needs_command" -s 9 -l best -d 'Compress as small as possible'
complete -c czip -n "__fish_czip_needs_command" -l no-index -d 'v2: omit the index at the end of the file, which makes seeking possible'
complete -c czip -n "__fish_czip_needs_command" -s c -l stdout -d 'Write to standard output, one text after the other, and keep the inputs'
complete -c czip -n "__fish_czip_needs_command" -s k -l keep -d 'Keep the inputs: the default'
complete -c czip -n "__fish_czip_needs_command" -l rm -d 'Remove each input once its output is complete and safely on disk'
complete -c czip -n "__fish_czip_needs_command" -s f -l force -d 'Overwrite existing outputs; also take links, and compress .czip files again. With -d -c, pass other files through'
complete -c czip -n "__fish_czip_needs_command" -s r -l recursive -d 'Take all files in folders that are named, and in the folders within them'
complete -c czip -n "__fish_czip_needs_command" -l exclude-compressed -d 'When compressing, pass over files that are compressed already, by their names or first bytes'
complete -c czip -n "__fish_czip_needs_command" -l json -d 'Print a line of JSON for each file'
complete -c czip -n "__fish_czip_needs_command" -l recover -d 'Restore whatever is intact in damaged czip v2 files, and report which parts of the text are missing'
complete -c czip -n "__fish_czip_needs_command" -s q -l quiet -d 'Print errors only; given twice, not even these'
complete -c czip -n "__fish_czip_needs_command" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_needs_command" -s H -d 'Print help; --help says more than -h'
complete -c czip -n "__fish_czip_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c czip -n "__fish_czip_needs_command" -s V -l version -d 'Print version'
complete -c czip -n "__fish_czip_needs_command" -a "compress" -d 'Compress texts or any files: notes.txt becomes notes.txt.czip'
complete -c czip -n "__fish_czip_needs_command" -a "decompress" -d 'Restore files: notes.txt.czip becomes notes.txt'
complete -c czip -n "__fish_czip_needs_command" -a "cat" -d 'Restore files to standard output, or a part of their text'
complete -c czip -n "__fish_czip_needs_command" -a "grep" -d 'Search in compressed files, with the system\'s grep'
complete -c czip -n "__fish_czip_needs_command" -a "info" -d 'Show what is in compressed files and models'
complete -c czip -n "__fish_czip_needs_command" -a "verify" -d 'Check that files round-trip, and compare their sizes with other compressors'
complete -c czip -n "__fish_czip_needs_command" -a "bench" -d 'Benchmark sizes, speed and memory on texts, beside other compressors'
complete -c czip -n "__fish_czip_needs_command" -a "train" -d 'Train a model on your own texts'
complete -c czip -n "__fish_czip_needs_command" -a "adapt" -d 'Fit a model\'s mixing to your texts, in a minute or two; its net does not change'
complete -c czip -n "__fish_czip_needs_command" -a "import" -d 'Make a model of the weights of an open language model, in integers'
complete -c czip -n "__fish_czip_using_subcommand compress" -s m -l model -d 'Model: a file; standard or fast, which are built in, for English; or none, to use no model' -r -F
complete -c czip -n "__fish_czip_using_subcommand compress" -s t -l tokenizer -d 'Use this tokenizer instead of the model\'s own' -r -F
complete -c czip -n "__fish_czip_using_subcommand compress" -s L -l level -d 'Compression level, from 1 (fastest) to 9 (smallest); 4 and up run the model\'s net' -r
complete -c czip -n "__fish_czip_using_subcommand compress" -l format -d 'Output format: v2 is czip\'s own, v1 is CZIPv1 [default: v2, or v1 with a codec]' -r -f -a "v1\t''
v2\t''"
complete -c czip -n "__fish_czip_using_subcommand compress" -l segment -d 'v2: maximum segment size, such as 64K or 1M; segments are independent, and longer ones compress better [default: 4M at levels 1 to 3, 1M at 4 and 5, then 2M, 4M, 8M and 16M]' -r
complete -c czip -n "__fish_czip_using_subcommand compress" -s c -l codec -d 'v1: outer codec, brotli or zstd [default: brotli]' -r
complete -c czip -n "__fish_czip_using_subcommand compress" -s i -l input -d 'File to read; - is standard input' -r -F
complete -c czip -n "__fish_czip_using_subcommand compress" -s o -l output -d 'Output file, for a single input; - is standard output [default: the input\'s name with .czip added or removed, or - if the input is -]' -r -F
complete -c czip -n "__fish_czip_using_subcommand compress" -l output-dir -d 'Put the outputs under this folder, each at the path that its input has: a/b.txt becomes DIR/a/b.txt.czip' -r -F
complete -c czip -n "__fish_czip_using_subcommand compress" -l output-dir-flat -d 'Put the outputs into this folder itself: a/b.txt becomes DIR/b.txt.czip' -r -F
complete -c czip -n "__fish_czip_using_subcommand compress" -l files-from -d 'Also take the files whose names are the lines of this one; - is standard input' -r -F
complete -c czip -n "__fish_czip_using_subcommand compress" -l files0-from -d 'The same for names that end in NUL characters, as find -print0 writes them' -r -F
complete -c czip -n "__fish_czip_using_subcommand compress" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand compress" -l color -d 'When to use colours: auto means on terminals, unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c czip -n "__fish_czip_using_subcommand compress" -s 1 -l fast -d 'Compress fast; -2 to -8 are between [default: -5]'
complete -c czip -n "__fish_czip_using_subcommand compress" -s 2
complete -c czip -n "__fish_czip_using_subcommand compress" -s 3
complete -c czip -n "__fish_czip_using_subcommand compress" -s 4
complete -c czip -n "__fish_czip_using_subcommand compress" -s 5
complete -c czip -n "__fish_czip_using_subcommand compress" -s 6
complete -c czip -n "__fish_czip_using_subcommand compress" -s 7
complete -c czip -n "__fish_czip_using_subcommand compress" -s 8
complete -c czip -n "__fish_czip_using_subcommand compress" -s 9 -l best -d 'Compress as small as possible'
complete -c czip -n "__fish_czip_using_subcommand compress" -l no-index -d 'v2: omit the index at the end of the file, which makes seeking possible'
complete -c czip -n "__fish_czip_using_subcommand compress" -s k -l keep -d 'Keep the inputs: the default'
complete -c czip -n "__fish_czip_using_subcommand compress" -l rm -d 'Remove each input once its output is complete and safely on disk'
complete -c czip -n "__fish_czip_using_subcommand compress" -s f -l force -d 'Overwrite existing outputs; also take links, and compress .czip files again. With -d -c, pass other files through'
complete -c czip -n "__fish_czip_using_subcommand compress" -s r -l recursive -d 'Take all files in folders that are named, and in the folders within them'
complete -c czip -n "__fish_czip_using_subcommand compress" -l exclude-compressed -d 'When compressing, pass over files that are compressed already, by their names or first bytes'
complete -c czip -n "__fish_czip_using_subcommand compress" -l json -d 'Print a line of JSON for each file'
complete -c czip -n "__fish_czip_using_subcommand compress" -l stdout -d 'Write to standard output, one text after the other, and keep the inputs'
complete -c czip -n "__fish_czip_using_subcommand compress" -s q -l quiet -d 'Print errors only; given twice, not even these'
complete -c czip -n "__fish_czip_using_subcommand compress" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand compress" -s H -d 'Print help; --help says more than -h'
complete -c czip -n "__fish_czip_using_subcommand compress" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s m -l model -d 'Model: a file; standard or fast, which are built in, for English; or none, to use no model' -r -F
complete -c czip -n "__fish_czip_using_subcommand decompress" -s t -l tokenizer -d 'Use this tokenizer instead of the model\'s own' -r -F
complete -c czip -n "__fish_czip_using_subcommand decompress" -l max-output -d 'Refuse files that restore to more text than this, such as 500M or 2G' -r
complete -c czip -n "__fish_czip_using_subcommand decompress" -s M -l memory -d 'Memory limit for restoring a file, not counting models, such as 256M; with less memory, fewer segments are decoded in parallel [default: 16G]' -r
complete -c czip -n "__fish_czip_using_subcommand decompress" -s i -l input -d 'File to read; - is standard input' -r -F
complete -c czip -n "__fish_czip_using_subcommand decompress" -s o -l output -d 'Output file, for a single input; - is standard output [default: the input\'s name with .czip added or removed, or - if the input is -]' -r -F
complete -c czip -n "__fish_czip_using_subcommand decompress" -l output-dir -d 'Put the outputs under this folder, each at the path that its input has: a/b.txt becomes DIR/a/b.txt.czip' -r -F
complete -c czip -n "__fish_czip_using_subcommand decompress" -l output-dir-flat -d 'Put the outputs into this folder itself: a/b.txt becomes DIR/b.txt.czip' -r -F
complete -c czip -n "__fish_czip_using_subcommand decompress" -l files-from -d 'Also take the files whose names are the lines of this one; - is standard input' -r -F
complete -c czip -n "__fish_czip_using_subcommand decompress" -l files0-from -d 'The same for names that end in NUL characters, as find -print0 writes them' -r -F
complete -c czip -n "__fish_czip_using_subcommand decompress" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand decompress" -l color -d 'When to use colours: auto means on terminals, unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c czip -n "__fish_czip_using_subcommand decompress" -l recover -d 'Restore whatever is intact in damaged czip v2 files, and report which parts of the text are missing'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s c -l stdout -d 'Write to standard output, one text after the other, and keep the inputs'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s k -l keep -d 'Keep the inputs: the default'
complete -c czip -n "__fish_czip_using_subcommand decompress" -l rm -d 'Remove each input once its output is complete and safely on disk'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s f -l force -d 'Overwrite existing outputs; also take links, and compress .czip files again. With -d -c, pass other files through'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s r -l recursive -d 'Take all files in folders that are named, and in the folders within them'
complete -c czip -n "__fish_czip_using_subcommand decompress" -l exclude-compressed -d 'When compressing, pass over files that are compressed already, by their names or first bytes'
complete -c czip -n "__fish_czip_using_subcommand decompress" -l json -d 'Print a line of JSON for each file'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s q -l quiet -d 'Print errors only; given twice, not even these'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s H -d 'Print help; --help says more than -h'
complete -c czip -n "__fish_czip_using_subcommand decompress" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c czip -n "__fish_czip_using_subcommand cat" -l range -d 'Write only this part of each text, in bytes: 1000..2000, 1M.. or ..500. Only the segments that it is in are decoded' -r
complete -c czip -n "__fish_czip_using_subcommand cat" -s m -l model -d 'Model: a file; standard or fast, which are built in, for English; or none, to use no model' -r -F
complete -c czip -n "__fish_czip_using_subcommand cat" -s t -l tokenizer -d 'Use this tokenizer instead of the model\'s own' -r -F
complete -c czip -n "__fish_czip_using_subcommand cat" -l max-output -d 'Refuse files that restore to more text than this, such as 500M or 2G' -r
complete -c czip -n "__fish_czip_using_subcommand cat" -s M -l memory -d 'Memory limit for restoring a file, not counting models, such as 256M; with less memory, fewer segments are decoded in parallel [default: 16G]' -r
complete -c czip -n "__fish_czip_using_subcommand cat" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand cat" -l color -d 'When to use colours: auto means on terminals, unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c czip -n "__fish_czip_using_subcommand cat" -s f -l force -d 'Write files that czip has not made as they are'
complete -c czip -n "__fish_czip_using_subcommand cat" -s q -l quiet -d 'Print errors only; given twice, not even these'
complete -c czip -n "__fish_czip_using_subcommand cat" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand cat" -s H -d 'Print help; --help says more than -h'
complete -c czip -n "__fish_czip_using_subcommand cat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c czip -n "__fish_czip_using_subcommand grep" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand grep" -l color -d 'When to use colours: auto means on terminals, unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c czip -n "__fish_czip_using_subcommand grep" -s q -l quiet -d 'Print errors only; given twice, not even these'
complete -c czip -n "__fish_czip_using_subcommand grep" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand grep" -s H -d 'Print help; --help says more than -h'
complete -c czip -n "__fish_czip_using_subcommand grep" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c czip -n "__fish_czip_using_subcommand info" -s m -l model -d 'Model to check the files against; may be repeated' -r -F
complete -c czip -n "__fish_czip_using_subcommand info" -l max-output -d 'Refuse files that restore to more text than this, such as 500M or 2G' -r
complete -c czip -n "__fish_czip_using_subcommand info" -s M -l memory -d 'Memory limit for restoring a file, not counting models, such as 256M; with less memory, fewer segments are decoded in parallel [default: 16G]' -r
complete -c czip -n "__fish_czip_using_subcommand info" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand info" -l color -d 'When to use colours: auto means on terminals, unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c czip -n "__fish_czip_using_subcommand info" -l json -d 'Print one line of JSON for each file'
complete -c czip -n "__fish_czip_using_subcommand info" -s q -l quiet -d 'Print errors only; given twice, not even these'
complete -c czip -n "__fish_czip_using_subcommand info" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand info" -s H -d 'Print help; --help says more than -h'
complete -c czip -n "__fish_czip_using_subcommand info" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c czip -n "__fish_czip_using_subcommand verify" -s m -l model -d 'Model: a file; standard or fast, which are built in, for English; or none, to use no model' -r -F
complete -c czip -n "__fish_czip_using_subcommand verify" -s t -l tokenizer -d 'Use this tokenizer instead of the model\'s own' -r -F
complete -c czip -n "__fish_czip_using_subcommand verify" -s L -l level -d 'Compression level, from 1 (fastest) to 9 (smallest); 4 and up run the model\'s net' -r
complete -c czip -n "__fish_czip_using_subcommand verify" -l format -d 'Output format: v2 is czip\'s own, v1 is CZIPv1 [default: v2, or v1 with a codec]' -r -f -a "v1\t''
v2\t''"
complete -c czip -n "__fish_czip_using_subcommand verify" -l segment -d 'v2: maximum segment size, such as 64K or 1M; segments are independent, and longer ones compress better [default: 4M at levels 1 to 3, 1M at 4 and 5, then 2M, 4M, 8M and 16M]' -r
complete -c czip -n "__fish_czip_using_subcommand verify" -s c -l codec -d 'v1: outer codec, brotli or zstd [default: brotli]' -r
complete -c czip -n "__fish_czip_using_subcommand verify" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand verify" -l color -d 'When to use colours: auto means on terminals, unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c czip -n "__fish_czip_using_subcommand verify" -l json -d 'Print one line of JSON for each file'
complete -c czip -n "__fish_czip_using_subcommand verify" -s 1 -l fast -d 'Compress fast; -2 to -8 are between [default: -5]'
complete -c czip -n "__fish_czip_using_subcommand verify" -s 2
complete -c czip -n "__fish_czip_using_subcommand verify" -s 3
complete -c czip -n "__fish_czip_using_subcommand verify" -s 4
complete -c czip -n "__fish_czip_using_subcommand verify" -s 5
complete -c czip -n "__fish_czip_using_subcommand verify" -s 6
complete -c czip -n "__fish_czip_using_subcommand verify" -s 7
complete -c czip -n "__fish_czip_using_subcommand verify" -s 8
complete -c czip -n "__fish_czip_using_subcommand verify" -s 9 -l best -d 'Compress as small as possible'
complete -c czip -n "__fish_czip_using_subcommand verify" -l no-index -d 'v2: omit the index at the end of the file, which makes seeking possible'
complete -c czip -n "__fish_czip_using_subcommand verify" -s q -l quiet -d 'Print errors only; given twice, not even these'
complete -c czip -n "__fish_czip_using_subcommand verify" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand verify" -s H -d 'Print help; --help says more than -h'
complete -c czip -n "__fish_czip_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c czip -n "__fish_czip_using_subcommand bench" -l format -d 'Benchmark only this format [default: both]' -r -f -a "v1\t''
v2\t''"
complete -c czip -n "__fish_czip_using_subcommand bench" -s c -l codec -d 'v1: outer codec, brotli or zstd [default: brotli]' -r
complete -c czip -n "__fish_czip_using_subcommand bench" -s L -l level -d 'Benchmark only this level [default: all]' -r
complete -c czip -n "__fish_czip_using_subcommand bench" -l segment -d 'Maximum segment size, such as 64K or 1M [default: 4M at levels 1 to 3, 1M at 4 and 5, then 2M, 4M, 8M and 16M]' -r
complete -c czip -n "__fish_czip_using_subcommand bench" -s m -l model -d 'Model: a file; standard or fast, which are built in, for English; or none, to use no model' -r -F
complete -c czip -n "__fish_czip_using_subcommand bench" -s t -l tokenizer -d 'Use this tokenizer instead of the model\'s own' -r -F
complete -c czip -n "__fish_czip_using_subcommand bench" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand bench" -l color -d 'When to use colours: auto means on terminals, unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c czip -n "__fish_czip_using_subcommand bench" -s 1 -l fast -d 'Compress fast; -2 to -8 are between [default: -5]'
complete -c czip -n "__fish_czip_using_subcommand bench" -s 2
complete -c czip -n "__fish_czip_using_subcommand bench" -s 3
complete -c czip -n "__fish_czip_using_subcommand bench" -s 4
complete -c czip -n "__fish_czip_using_subcommand bench" -s 5
complete -c czip -n "__fish_czip_using_subcommand bench" -s 6
complete -c czip -n "__fish_czip_using_subcommand bench" -s 7
complete -c czip -n "__fish_czip_using_subcommand bench" -s 8
complete -c czip -n "__fish_czip_using_subcommand bench" -s 9 -l best -d 'Compress as small as possible'
complete -c czip -n "__fish_czip_using_subcommand bench" -l json -d 'Print one line of JSON for each file and one for the total'
complete -c czip -n "__fish_czip_using_subcommand bench" -s q -l quiet -d 'Print errors only; given twice, not even these'
complete -c czip -n "__fish_czip_using_subcommand bench" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand bench" -s H -d 'Print help; --help says more than -h'
complete -c czip -n "__fish_czip_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c czip -n "__fish_czip_using_subcommand train" -s o -l output -d 'Model file to write. The training curve is written beside it, as MODEL.csv and MODEL.svg, and until the model is finished, MODEL.checkpoint' -r -F
complete -c czip -n "__fish_czip_using_subcommand train" -l preset -d 'Size of the net: fast, standard or large' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l vocab -d 'Tokens in the vocabulary, 258 to 65536 [default: as suits the preset]' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l split -d 'How text is split before tokens are formed: text, code, logs or cjk [default: chosen by the text]' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l minutes -d 'Minutes to train' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l tokens -d 'Tokens to train on, each counted every time it is seen, instead of a time; the same texts, options and number of threads then give the same model' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l from -d 'Start from this model, keeping its sizes and its tokenizer' -r -F
complete -c czip -n "__fish_czip_using_subcommand train" -l rate -d 'Learning rates as a part of the usual ones, above 0 and at most 1: with --from, such as 0.2, more is kept of the model' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l device -d 'Device that computes the gradients; gpu needs a build with the feature of that name' -r -f -a "cpu\t''
gpu\t''"
complete -c czip -n "__fish_czip_using_subcommand train" -l heldout -d 'Text to hold out and measure with: a share such as 0.05, or a file or folder' -r -F
complete -c czip -n "__fish_czip_using_subcommand train" -l field -d 'NDJSON, CSV and TSV: the field or column that holds the text of a document' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l separator -d 'Line that ends a document' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l seed -d 'Seed for everything that is chosen at random' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l name -d 'Name to record in the model' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l licence -d 'Licence to record in the model' -r
complete -c czip -n "__fish_czip_using_subcommand train" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand train" -l color -d 'When to use colours: auto means on terminals, unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c czip -n "__fish_czip_using_subcommand train" -s f -l force -d 'Overwrite outputs that exist, and start over where an interrupted run could be resumed; inputs are never overwritten'
complete -c czip -n "__fish_czip_using_subcommand train" -l new-tokenizer -d 'With --from: train a new tokenizer'
complete -c czip -n "__fish_czip_using_subcommand train" -l resume -d 'Resume an interrupted run from MODEL.checkpoint; the texts and all options must be the same'
complete -c czip -n "__fish_czip_using_subcommand train" -s q -l quiet -d 'Print errors only; given twice, not even these'
complete -c czip -n "__fish_czip_using_subcommand train" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand train" -s H -d 'Print help; --help says more than -h'
complete -c czip -n "__fish_czip_using_subcommand train" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c czip -n "__fish_czip_using_subcommand adapt" -s o -l output -d 'Model file to write' -r -F
complete -c czip -n "__fish_czip_using_subcommand adapt" -l sample -d 'Amount of text to learn from, such as 500K or 4M; more takes longer [default: 1000000]' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -l heldout -d 'Text to hold out and measure with: a share such as 0.05, or a file or folder' -r -F
complete -c czip -n "__fish_czip_using_subcommand adapt" -l field -d 'NDJSON, CSV and TSV: the field or column that holds the text of a document' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -l separator -d 'Line that ends a document' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -l seed -d 'Seed for everything that is chosen at random' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -l name -d 'Name to record in the model' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -l licence -d 'Licence to record in the model' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -s T -l threads -d 'Number of threads, up to 1024; 0 means one per core' -r
complete -c czip -n "__fish_czip_using_subcommand adapt" -l color -d 'When to use colours: auto means on terminals, unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c czip -n "__fish_czip_using_subcommand adapt" -s f -l force -d 'Overwrite the output if it exists; inputs are never overwritten'
complete -c czip -n "__fish_czip_using_subcommand adapt" -s q -l quiet -d 'Print errors only; given twice, not even these'
complete -c czip -n "__fish_czip_using_subcommand adapt" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand adapt" -s H -d 'Print help; --help says more than -h'
complete -c czip -n "__fish_czip_using_subcommand adapt" -s h -l help -d 'Print help (see more with \'--help\')'
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
complete -c czip -n "__fish_czip_using_subcommand import" -l color -d 'When to use colours: auto means on terminals, unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c czip -n "__fish_czip_using_subcommand import" -s f -l force -d 'Overwrite the output if it exists; inputs are never overwritten'
complete -c czip -n "__fish_czip_using_subcommand import" -s q -l quiet -d 'Print errors only; given twice, not even these'
complete -c czip -n "__fish_czip_using_subcommand import" -s v -l verbose -d 'Print more details'
complete -c czip -n "__fish_czip_using_subcommand import" -s H -d 'Print help; --help says more than -h'
complete -c czip -n "__fish_czip_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
