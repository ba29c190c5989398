package main

import (
	"encoding/gob"
	"fmt"
	"os"
)

// A checkpoint is what training goes on from.
type checkpoint struct {
	Step       int
	Recipe     recipe
	Parameters [][]float32
	Means      [][]float32
	Squares    [][]float32
}

// save writes a checkpoint to a file, which is whole or not there.
func (m *model) save(path string, step int, r recipe) error {
	c := checkpoint{Step: step, Recipe: r}
	for _, p := range m.parameters {
		c.Parameters = append(c.Parameters, p.Data)
		c.Means = append(c.Means, p.mean)
		c.Squares = append(c.Squares, p.square)
	}
	f, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	err = gob.NewEncoder(f).Encode(&c)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

// restore loads a checkpoint of the same recipe and returns its step.
func (m *model) restore(path string, r recipe) (step int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var c checkpoint
	if err := gob.NewDecoder(f).Decode(&c); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	if c.Recipe != r || len(c.Parameters) != len(m.parameters) || len(c.Means) != len(c.Parameters) || len(c.Squares) != len(c.Parameters) {
		return 0, fmt.Errorf("%s: is of another recipe: %+v", path, c.Recipe)
	}
	for i, p := range m.parameters {
		for _, from := range [][]float32{c.Parameters[i], c.Means[i], c.Squares[i]} {
			if len(from) != len(p.Data) {
				return 0, fmt.Errorf("%s: tensor %s has %d elements, not %d", path, p.name, len(from), len(p.Data))
			}
		}
		copy(p.Data, c.Parameters[i])
		copy(p.mean, c.Means[i])
		copy(p.square, c.Squares[i])
	}
	return c.Step, nil
}
