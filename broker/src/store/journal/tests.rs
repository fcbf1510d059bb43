mod power_cut;
mod read;
mod speed;
