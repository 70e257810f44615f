.PHONY: help run test lab
help:
	@python3 lab.py
run:
	python3 lab.py run
test:
	python3 lab.py test
lab:
	python3 lab.py lab
