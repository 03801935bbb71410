.PHONY: run serve test lint openapi chart

# The whole mission, shown step by step in a temporary directory.
run:
	cargo run --locked -- demo

# Everything in one process; data under ./warikan-data.
serve:
	cargo run --locked -- serve

test:
	scripts/test

lint:
	scripts/lint

# By way of another file: a build that fails must not leave an empty document.
openapi:
	cargo run -q --locked -p warikan -- openapi > openapi/warikan.json.new
	mv openapi/warikan.json.new openapi/warikan.json

chart:
	deploy/helm/check
