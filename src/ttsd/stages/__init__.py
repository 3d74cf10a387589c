"""One module per stage, each with one public function `run(in_dir, out_dir, config, progress)`."""
